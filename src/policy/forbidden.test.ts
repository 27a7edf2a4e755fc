import { describe, expect, it } from "vitest";
import { readCommand } from "../analysis/analysis.ts";
import { forbiddenIn } from "./forbidden.ts";

const found = (text: string) =>
  forbiddenIn(readCommand(text)).map(({ family, token, offset }) => `${family} ${token} ${offset}`);

describe("what is forbidden", () => {
  it.each([...["rm", "rmdir", "unlink", "shred", "wipefs", "dd", "mkfs", "mkfs.ext4", "mke2fs"]])(
    "destroys files: %s",
    (program) => {
      expect(found(`true; ${program} x`)).toEqual([`destructive ${program} 6`]);
      expect(found(`./${program} x`)).toEqual([]);
      // Whatever follows `mkfs.` is one that makes a file system.
      expect(found(`${program}x x`)).toHaveLength(program.startsWith("mkfs.") ? 1 : 0);
      expect(found(`x${program} x`)).toEqual([]);
    },
  );

  it.each([
    ...["sudo", "sudoedit", "su", "doas", "pkexec", "newgrp", "sg", "chroot", "unshare", "nsenter"],
    ...["capsh", "setcap", "visudo", "runuser", "setpriv"],
  ])("changes privileges: %s", (program) => {
    expect(found(`${program} x`)[0]).toBe(`privilege ${program} 0`);
    expect(found(`${program}x x`)).toEqual([]);
    expect(found(`x${program} x`)).toEqual([]);
  });

  it("is known by the directory of programs at the end of its path", () => {
    for (const path of ["../bin/rm", "../../sbin/rm", "a/bin/rm", "bin/rm"]) {
      expect(found(`${path} x`), path).toEqual(["destructive rm 0"]);
    }
    for (const path of ["mybin/rm", "../bin/x/rm", "bin/rm/x", "../lib/rm"]) {
      expect(found(`${path} x`), path).toEqual([]);
    }
  });

  it("is told with the word that makes it so, and where it stands", () => {
    expect(found("find . -name x -delete")).toEqual(["destructive -delete 15"]);
    expect(found("find . -name x -print")).toEqual([]);
    expect(found("ls -delete")).toEqual([]);
    expect(found("chmod -v u+s x")).toEqual(["privilege u+s 9"]);
    expect(found("ls; env")).toEqual(["environment env 4"]);
    expect(found("cat a /proc/1/environ")).toEqual(["environment /proc/1/environ 6"]);
    expect(found("cat < /proc/1/environ")).toEqual(["environment /proc/1/environ 6"]);
    const [redirect] = forbiddenIn(readCommand("cat < /proc/1/environ"));
    const [word] = forbiddenIn(readCommand("cat /proc/1/environ"));
    expect([redirect?.command, word?.command?.program]).toEqual([null, "cat"]);
  });
});

describe("a mode that changes who somebody is", () => {
  it.each([
    ...["4755", "2755", "6755", "04755", "7777", "u+s", "g+s", "+s", "ug+s", "u=rwxs", "u=rwx,g+s"],
    ...["a+xs", "u+xts", "o-w,u+s"],
  ])("is found: %s", (mode) => {
    expect(found(`chmod ${mode} x`)).toEqual([`privilege ${mode} 6`]);
    expect(found(`install -m ${mode} a b`)).toEqual([`privilege ${mode} 11`]);
    expect(found(`mkdir --mode=${mode} a`)).toEqual([`privilege --mode=${mode} 6`]);
    expect(found(`install -m${mode} a b`)).toEqual([`privilege -m${mode} 8`]);
    expect(found(`ls ${mode}`)).toEqual([]);
  });

  it.each([
    ...[
      "755",
      "0755",
      "1777",
      "01777",
      "u+x",
      "u-s",
      "go-s",
      "a=rX",
      "+x",
      "-rs",
      "47555",
      "x4755",
    ],
    ...["4755x", "u+xs.txt", "docs+s+notes", "47a5", "$MODE", "s", "u+", "8755"],
  ])("is not seen in %s", (mode) => {
    expect(found(`chmod ${mode} x`)).toEqual([]);
  });
});

describe("the variables of the environment", () => {
  it.each([
    ...["printenv", "printenv HOME", "env", "env -0", "env A=1", "set", "export", "export -p"],
    ...[
      "export --",
      "readonly",
      "readonly -p",
      "declare",
      "declare -p",
      "declare -xr",
      "declare +x",
    ],
    ...["typeset", "typeset -x", "compgen -e", "compgen -v", "compgen -ve", "compgen -A variable"],
  ])("are disclosed by %s", (command) => {
    const [program] = command.split(" ");
    expect(found(command)).toEqual([`environment ${program} 0`]);
  });

  it.each([
    ...[
      "env --help",
      "env --version",
      "set -e",
      "set -- a",
      "export A=1",
      "export A",
      "export -n A",
    ],
    ...["readonly A=1", "declare A=1", "declare -a x", "declare -f", "declare -F", "declare -pf"],
    ...["typeset -f", "typeset A", "compgen -c", "compgen -f x", "printf x", "environ", "envx"],
    ...["compgen x -c", "echo -e", "test -v x", "compgen -c e-e"],
  ])("are not disclosed by %s", (command) => {
    expect(found(command)).toEqual([]);
  });

  it.each([
    ...["/proc/self/environ", "/proc/1/environ", "/proc/*/environ", "/proc/self/task/1/environ"],
    ...["//proc//1///environ", "/./proc/1/././environ", "/proc/1/env*", "/proc/1/e?viron"],
    ...[
      "/proc/1/[a-z]nviron",
      "/pr*/1/environ",
      "/?roc/1/environ",
      "/p[rx]oc/1/environ",
      "/p*/1/environ",
      "/[p]roc/1/environ",
    ],
    ...["/*c/1/environ", "if=/proc/1/environ", "@/proc/1/environ", "--file=/proc/1/environ"],
    ...["d=@/proc/1/environ", "/proc/$x/environ", "/proc/1/**", `/proc/1/${"*".repeat(65)}`],
  ])("are not read from %s", (path) => {
    expect(found(`cat ${path}`)).toHaveLength(1);
  });

  it.each([
    ...[
      "/proc/environ",
      "/proc/1/environx",
      "/proc/1/xenviron",
      "/proc/1/status",
      "/procs/1/environ",
    ],
    ...[
      "/xproc/1/environ",
      "x/proc/1/environ",
      "proc/1/environ",
      "/proc/1/environ/x",
      "/*/*/environ",
    ],
    ...[
      "/proc/1/e?iron",
      "/proc/1/[a-z]viron",
      "/pr?/1/environ",
      "/proc/1/en.iron",
      "/?/1/environ",
    ],
    ...["/proc/1/*x", "/tmp/*", "/pro(c|d)/1/environ*", `/proc/1/${"?".repeat(64)}`],
  ])("have nothing to do with %s", (path) => {
    expect(found(`cat '${path}'`)).toEqual([]);
  });
});
