import { createContext, Script } from "node:vm";

const box = createContext({ work: undefined as (() => unknown) | undefined });
const script = new Script("work()");

/** How often work is begun again that was cut off on a machine which had hardly let it run. */
const triesMax = 5;

/**
 * Does work that somebody else's words may make endless: a regular expression that backtracks, a schema that doubles at
 * each step. Such work holds the one thread there is, so the engine itself cuts it off. Returns undefined when it took
 * longer than `ms` milliseconds. The engine goes by the clock on the wall: work that was given less than half of that time
 * by the machine is begun again, a few times. What the work throws is thrown.
 */
export function withinTime<T>(ms: number, work: () => T): { value: T } | undefined {
  for (let tries = 1; tries <= triesMax; tries++) {
    const before = process.threadCpuUsage();
    const done = cutOff(ms, work);
    if (done !== undefined) return done;
    const { user, system } = process.threadCpuUsage(before);
    if ((user + system) / 1000 > ms / 2) return undefined;
  }
  return undefined;
}

function cutOff<T>(ms: number, work: () => T): { value: T } | undefined {
  let done: { value: T } | undefined;
  box.work = () => {
    done = { value: work() };
  };
  try {
    script.runInContext(box, { timeout: ms });
    return done;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
    throw cause;
  } finally {
    box.work = undefined;
  }
}
