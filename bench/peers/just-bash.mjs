/** An interpreter of shell in JavaScript: nothing is started, and nothing of the operating system isolates. */
import { Bash } from "just-bash";

export async function open() {
  const bash = new Bash();
  return {
    async once() {
      const { exitCode } = await bash.exec("true");
      if (exitCode !== 0) throw new Error(`just-bash ended with ${exitCode}`);
    },
    async close() {},
  };
}
