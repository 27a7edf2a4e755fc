/**
 * A gateway whose system calls fail, hang or kill at a chosen moment. One thread is traced, so that `when=k` counts the
 * same in every play: the main one, which alone writes the database, or the one that reads and writes all files.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutFor } from "./checkout-for.ts";

export interface Injection {
  /** System calls, separated by commas. */
  calls: string;
  /** As strace has it: `signal=SIGKILL:when=3`, `error=EIO:when=2+`, `delay_exit=50ms`. Absent: only written down. */
  fault?: string;
  /** Where strace writes down what it saw. */
  trace?: string;
}

/** For a gateway that is traced: files get one thread, in place of four that take turns in no order. */
export const env = { UV_THREADPOOL_SIZE: "1" };

const traceScope = "/proc/sys/kernel/yama/ptrace_scope";

/** Whether a process may trace one that it did not start; an ordinary user may not on some hosts. */
export function mayAttach(): boolean {
  if (process.getuid?.() === 0) return true;
  try {
    return readFileSync(traceScope, "utf8").trim() === "0";
  } catch {
    return true; // The kernel has no such rule.
  }
}

function options({ calls, fault, trace = "/dev/null" }: Injection): string[] {
  return [
    ...["-qq", "-y", "-o", trace, "-e", "signal=none", "-e", `trace=${calls}`],
    ...(fault === undefined ? [] : ["-e", `inject=${calls}:${fault}`]),
  ];
}

/**
 * A program of this checkout, as `startGateway` takes it: the main thread is traced from its first moment. strace is not the parent (`-D`), so
 * that signals reach the gateway itself.
 */
export function straced(injection: Injection, program = "src/main.ts"): string[] {
  const { node, root } = checkoutFor(undefined);
  return ["strace", "-D", ...options(injection), node, join(root, program)];
}

/** Traces the thread for files of a gateway that runs with `env`, until the gateway ends. */
export async function straceFiles(pid: number, injection: Injection): Promise<ChildProcess> {
  return attach(threadOf(pid, "libuv-worker"), injection);
}

/** Traces the one thread for long work of a process of ours that runs already. */
export async function straceWorker(pid: number, injection: Injection): Promise<ChildProcess> {
  return attach(threadOf(pid, "airlock"), injection);
}

/** Traces the main thread of a gateway that runs already. */
export async function straceMain(pid: number, injection: Injection): Promise<ChildProcess> {
  return attach(pid, injection);
}

async function attach(thread: number, injection: Injection): Promise<ChildProcess> {
  const args = [...options(injection).filter((arg) => arg !== "-qq"), "-p", String(thread)];
  const child = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr?.setEncoding("utf8");
  for await (const text of child.stderr ?? []) {
    said += text;
    if (said.includes("attached")) break;
  }
  if (!said.includes("attached")) throw new Error(`Cannot trace thread ${thread}: ${said}`);
  return child;
}

export async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

function threadOf(pid: number, name: string): number {
  const threads = readdirSync(`/proc/${pid}/task`).map(Number);
  const found = threads.find((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8").startsWith(name),
  );
  if (found === undefined) throw new Error(`Process ${pid} has no thread ${name}`);
  return found;
}

/** How often each call was made, by name. */
export function countCalls(trace: string): Map<string, number> {
  const counted = new Map<string, number>();
  for (const line of readFileSync(trace, "utf8").split("\n")) {
    const call = /^(?:\d+ +)?(\w+)\(/.exec(line)?.[1];
    if (call) counted.set(call, (counted.get(call) ?? 0) + 1);
  }
  return counted;
}
