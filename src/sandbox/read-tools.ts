import type { ExecHost } from "./open-one.ts";
import type { PlacesHost } from "./places.ts";
import type { ToolsInside } from "./sandbox.ts";
import { probe } from "./self-test.ts";

const script = `
python3 -c 'import sys; print("abi_python=%d.%d" % sys.version_info[:2])' 2>/dev/null
node -p '"abi_node=" + process.versions.modules' 2>/dev/null
for ask in "python3 --version" "pip --version" "node --version" "npm --version" "go version" \
  "cargo --version" "rustc --version" "cc --version" "git --version" "ldd --version"; do
  $ask 2>/dev/null </dev/null | head -n 1
done
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
