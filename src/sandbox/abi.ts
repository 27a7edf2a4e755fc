import type { Abi } from "../contract/layer.ts";
import type { ExecHost } from "./open-one.ts";
import type { PlacesHost } from "./places.ts";
import { probe } from "./self-test.ts";

const script = `
python3 -c 'import sys; print("python=%d.%d" % sys.version_info[:2])' 2>/dev/null
node -p '"node=" + process.versions.modules' 2>/dev/null
(ldd --version 2>&1 || true) | head -n 1
`;

/** What compiled parts of a layer depend on, as a command inside finds it. A program that is not there is left out. */
export async function readAbi(host: ExecHost & PlacesHost): Promise<Abi> {
  const { stdout } = await probe(host, script);
  const said = stdout.kept.toString("utf8");
  const python = /^python=(.+)$/m.exec(said)?.[1];
  const node = /^node=(.+)$/m.exec(said)?.[1];
  return {
    arch: process.arch,
    libc: /musl/i.test(said) ? "musl" : "glibc",
    ...(python === undefined ? {} : { python }),
    ...(node === undefined ? {} : { node }),
  };
}
