import type { ExecHost } from "./open-one.ts";
import type { PlacesHost } from "./places.ts";
import type { ToolsInside } from "./sandbox.ts";
import { probe } from "./self-test.ts";

/** All at once, because the first build and the first program of an artifact wait for it; told in a fixed order. */
const script = String.raw`
cd "$(mktemp -d)" || exit
python3 -c '
import sys
from importlib import metadata
print("abi_python=%d.%d" % sys.version_info[:2])
print("Python", sys.version.replace("\n", " "))
print("pip", metadata.version("pip"))
' >00 2>/dev/null &
node -p '"abi_node=" + process.versions.modules + "\n" + process.version' >01 2>/dev/null &
number=1
for ask in "npm --version" "go version" "cargo --version" "rustc --version" "cc --version" \
  "git --version" "ldd --version"; do
  number=$((number + 1))
  $ask 2>/dev/null </dev/null | head -n 1 | sed "s/^/$ask: /" >1$number &
done
wait
cat *
`;

/** Asks the programs inside a real sandbox. One that is not there is left out. */
export async function readTools(host: ExecHost & PlacesHost): Promise<ToolsInside> {
  const { stdout } = await probe(host, script);
  const said = stdout.kept.toString("utf8");
  const python = /^abi_python=(.+)$/m.exec(said)?.[1];
  const node = /^abi_node=(.+)$/m.exec(said)?.[1];
  const abi = {
    arch: process.arch,
    libc: /musl/i.test(said) ? "musl" : "glibc",
    ...(python === undefined ? {} : { python }),
    ...(node === undefined ? {} : { node }),
  };
  return { abi, versions: said.trim() };
}
