/**
 * A disk that loses its power. What a process did to a directory is read from its system calls; from that the directory
 * is made again as it may be after a power cut: what was synchronised is there, of what came after it any part.
 *
 * The model is stricter than today's filesystems: a name is safe only when its directory was synchronised, and names and
 * pages of 4 KiB that were not are kept or lost one by one, in any order.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { checkoutFor } from "./checkout-for.ts";

type Step = { at: number } & (
  | { type: "write"; inode: number; offset: number; bytes: Buffer }
  | { type: "truncate"; inode: number; size: number }
  | { type: "name"; directory: string; path: string; inode: number; from?: string }
  | { type: "unname"; directory: string; path: string }
  | { type: "makeDirectory"; directory: string; path: string }
  /** All that was done before `since` is safe: to a file, or to the names of a directory. */
  | { type: "sync"; of: number | string; since: number }
  | { type: "said"; line: Record<string, unknown> }
);

export interface Recording {
  steps: Step[];
  /** What a disk that keeps its power has in the end: bytes by path. */
  end: Map<string, Buffer>;
}

const traced = [
  ...["openat", "close", "write", "writev", "pwrite64", "pwritev", "rename", "renameat2", "unlink"],
  ...["unlinkat", "mkdir", "mkdirat", "rmdir", "fsync", "fdatasync", "ftruncate", "link", "linkat"],
  ...["fallocate", "copy_file_range", "sendfile", "truncate"],
];
const page = 4096;

/** Runs a TypeScript program with the directory as its argument, and reads what it did there. */
export function record(program: string, dir: string, trace: string): Recording {
  const { node } = checkoutFor(undefined);
  execFileSync(
    "strace",
    [
      ...["-f", "-y", "-xx", "-qq", "-s", "10000000", "-e", "signal=none", "-o", trace],
      ...["-e", `trace=${traced.join(",")}`, node, program, dir],
    ],
    // Calls that go through a ring are not seen.
    {
      env: { PATH: "/usr/bin:/bin", UV_USE_IO_URING: "0" },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const text = execFileSync("cat", [trace], { encoding: "latin1", maxBuffer: 1 << 30 });
  return readTrace(text, dir);
}

interface Call {
  name: string;
  args: string;
  result: number;
  /** Lines of the trace: what ended before another call began was there when that one began. */
  began: number;
  ended: number;
}

/** Calls in the order in which they ended; one that another thread's came between is in two lines. */
function* callsOf(text: string): Iterable<Call> {
  const open = new Map<string, { name: string; args: string; began: number }>();
  let at = 0;
  for (const line of text.split("\n")) {
    at += 1;
    const begun = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/s.exec(line);
    if (begun) {
      const [, pid = "", name = "", args = ""] = begun;
      open.set(pid, { name, args, began: at });
      continue;
    }
    const ended = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)/s.exec(line);
    if (ended) {
      const [, pid = "", name = "", rest = "", result] = ended;
      const first = open.get(pid);
      open.delete(pid);
      const args = `${first?.args ?? ""}${rest}`;
      yield { name, args, result: Number(result), began: first?.began ?? at, ended: at };
      continue;
    }
    const whole = /^\d+ +(\w+)\((.*)\) += (-?\d+)/s.exec(line);
    if (whole) {
      const [, name = "", args = "", result] = whole;
      yield { name, args, result: Number(result), began: at, ended: at };
    }
  }
}

const bytesOf = (hex: string) => Buffer.from(hex.replaceAll("\\x", ""), "hex");

function readTrace(text: string, dir: string): Recording {
  const steps: Step[] = [];
  const names = new Map<string, number>();
  const sizes = new Map<number, number>();
  const files = new Map<number, { inode: number; position: number; appends: boolean } | string>();
  let inodes = 0;
  let ended = 0;
  const inside = (path: string) => path.startsWith(`${dir}/`);
  const add = (
    step: Step extends infer S ? (S extends { at: number } ? Omit<S, "at"> : never) : never,
  ) => steps.push({ ...step, at: ended } as Step);
  const strings = (args: string) =>
    [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((found) => bytesOf(found[1] ?? ""));

  function write(fd: number, bytes: Buffer, offset?: number): void {
    const file = files.get(fd);
    if (fd === 1 && file === undefined) {
      for (const line of bytes.toString().split("\n").filter(Boolean)) {
        add({ type: "said", line: JSON.parse(line) });
      }
    }
    if (file === undefined || typeof file === "string") return;
    const size = sizes.get(file.inode) ?? 0;
    const start = offset ?? (file.appends ? size : file.position);
    add({ type: "write", inode: file.inode, offset: start, bytes });
    if (offset === undefined) file.position = start + bytes.length;
    sizes.set(file.inode, Math.max(size, start + bytes.length));
  }

  function openFile(path: string, flags: string, fd: number): void {
    if (path === dir || flags.includes("O_DIRECTORY")) {
      files.set(fd, path);
      return;
    }
    if (!inside(path)) return;
    let inode = names.get(path);
    if (inode === undefined) {
      if (!flags.includes("O_CREAT")) {
        // Opened to be synchronised: libuv and we do it without O_DIRECTORY.
        files.set(fd, path);
        return;
      }
      inode = inodes++;
      names.set(path, inode);
      add({ type: "name", directory: dirname(path), path, inode });
    } else if (flags.includes("O_TRUNC")) {
      add({ type: "truncate", inode, size: 0 });
      sizes.set(inode, 0);
    }
    files.set(fd, { inode, position: 0, appends: flags.includes("O_APPEND") });
  }

  for (const call of callsOf(text)) {
    ended = call.ended;
    const { name, args, result } = call;
    if (result < 0) continue;
    const fd = Number(/^(\d+)</.exec(args)?.[1]);
    const said = strings(args);
    const [first, second] = said.map((bytes) => bytes.toString());
    if (name === "openat") openFile(first ?? "", args, result);
    else if (name === "close") files.delete(fd);
    else if (name === "write") write(fd, said[0] ?? Buffer.alloc(0));
    else if (name === "writev") write(fd, Buffer.concat(said).subarray(0, result));
    else if (name === "pwrite64" || name === "pwritev") {
      const offset = Number(/, (\d+)$/.exec(args)?.[1]);
      write(fd, Buffer.concat(said).subarray(0, result), offset);
    } else if (name === "ftruncate") {
      const file = files.get(fd);
      const size = Number(/, (\d+)$/.exec(args)?.[1]);
      if (typeof file !== "object") continue;
      add({ type: "truncate", inode: file.inode, size });
      sizes.set(file.inode, size);
    } else if (name === "fsync" || name === "fdatasync") {
      const file = files.get(fd);
      if (file === undefined) continue;
      add({ type: "sync", of: typeof file === "string" ? file : file.inode, since: call.began });
    } else if (name === "rename" || name === "renameat2") {
      const inode = names.get(first ?? "");
      if (inode === undefined || first === undefined || second === undefined) continue;
      names.delete(first);
      names.set(second, inode);
      add({ type: "name", directory: dirname(second), path: second, inode, from: first });
    } else if (name.startsWith("unlink")) {
      if (first === undefined || !names.delete(first)) continue;
      add({ type: "unname", directory: dirname(first), path: first });
    } else if (name.startsWith("mkdir")) {
      if (first === undefined || !inside(first)) continue;
      add({ type: "makeDirectory", directory: dirname(first), path: first });
    } else if (
      ["link", "linkat", "fallocate", "copy_file_range", "sendfile", "truncate"].includes(name)
    ) {
      throw new Error(`The model does not know ${name}(${args.slice(0, 200)})`);
    }
  }
  const end = new Map<string, Buffer>();
  for (const [path, inode] of names) {
    const bytes = contentOf(
      steps.filter((step) => "inode" in step && step.inode === inode),
      () => true,
    );
    end.set(relative(dir, path), bytes);
  }
  return { steps, end };
}

/** A file made of the writes that are kept, page by page. */
function contentOf(steps: Step[], isKept: (step: Step, pageNumber: number) => boolean): Buffer {
  let bytes = Buffer.alloc(0);
  const grow = (size: number) => {
    if (size > bytes.length) bytes = Buffer.concat([bytes, Buffer.alloc(size - bytes.length)]);
  };
  for (const step of steps) {
    if (step.type === "truncate" && isKept(step, -1)) {
      grow(step.size);
      bytes = bytes.subarray(0, step.size);
    }
    if (step.type !== "write") continue;
    for (let from = 0; from < step.bytes.length; ) {
      const offset = step.offset + from;
      const length = Math.min(page - (offset % page), step.bytes.length - from);
      if (isKept(step, Math.floor(offset / page))) {
        grow(offset + length);
        step.bytes.copy(bytes, offset, from, from + length);
      }
      from += length;
    }
  }
  return bytes;
}

export interface Cut {
  /** How many steps had been done. */
  after: number;
  random: () => number;
  /** A disk that ignores every synchronisation: the control. */
  lies?: boolean;
}

/** Makes the directory as it may be after a power cut. Returns what had been said by then. */
export function afterPowerCut(
  { steps }: Recording,
  { after, random, lies = false }: Cut,
  from: string,
  to: string,
): Record<string, unknown>[] {
  const done = steps.slice(0, after);
  const safe = new Map<number | string, number>();
  for (const step of done) {
    if (step.type === "sync" && !lies)
      safe.set(step.of, Math.max(safe.get(step.of) ?? 0, step.since));
  }
  const luck = random();
  const nameLoss = random();
  const isSafe = (of: number | string, at: number) => at < (safe.get(of) ?? 0);

  const names = new Map<string, number>();
  const directories = new Set<string>([from]);
  for (const step of done) {
    if (!("directory" in step)) continue;
    // Each by itself: a later name can be there and an earlier one not, and of a rename either half.
    if (!isSafe(step.directory, step.at) && random() < nameLoss) {
      if (step.type === "name" && step.from !== undefined && random() < nameLoss) {
        names.delete(step.from);
      }
      continue;
    }
    if (step.type === "makeDirectory") directories.add(step.path);
    else if (step.type === "unname") names.delete(step.path);
    else {
      if (step.from !== undefined) names.delete(step.from);
      names.set(step.path, step.inode);
    }
  }
  for (const path of directories) {
    if (isReachable(path, from, directories))
      mkdirSync(join(to, relative(from, path)), { recursive: true });
  }
  for (const [path, inode] of names) {
    if (!isReachable(dirname(path), from, directories)) continue;
    const own = done.filter((step) => "inode" in step && step.inode === inode);
    const bytes = contentOf(own, (step) => isSafe(inode, step.at) || random() < luck);
    writeFileSync(join(to, relative(from, path)), bytes);
  }
  return done.filter((step) => step.type === "said").map(({ line }) => line);
}

function isReachable(path: string, root: string, directories: Set<string>): boolean {
  if (path === root) return true;
  return directories.has(path) && isReachable(dirname(path), root, directories);
}
