/** bwrap with a proxy for an allow-list, wrapped around a shell command. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { SandboxManager } from "@anthropic-ai/sandbox-runtime";

export async function open() {
  await SandboxManager.initialize({
    network: { allowedDomains: ["example.com"], deniedDomains: [] },
    filesystem: { denyRead: [], allowWrite: ["/tmp"], denyWrite: [] },
  });
  return {
    async once() {
      const command = await SandboxManager.wrapWithSandbox("true");
      const child = spawn(command, { shell: true, stdio: "ignore" });
      const [code] = await once(child, "exit");
      if (code !== 0) throw new Error(`sandbox-runtime ended with ${code}`);
    },
    close: () => SandboxManager.reset(),
  };
}
