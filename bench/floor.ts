import { spawn } from "node:child_process";
import { once } from "node:events";
import { timed } from "./measure.ts";

/** The floor of every sandbox row: a bare process, from the spawn to its exit, with nothing around it. */
export function bareSpawn(): Promise<number> {
  return timed(async () => {
    await once(spawn("/bin/true", { stdio: "ignore" }), "exit");
  });
}
