/**
 * A gateway does its job the same for root and for an ordinary user: when the tests run as root this one is another
 * user's, and when they run as an ordinary user it is theirs.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { readZip } from "./support/read-zip.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const exec = (command: string, more = {}) => ({
  tool: "sandbox_exec",
  arguments: { command, ...more },
});
const probes = [
  "id -u",
  "cat /proc/self/status | grep -E '^(CapEff|NoNewPrivs):'",
  "ls /sys/class/net /root /home 2>/dev/null | tr '\\n' ' '",
  "touch /usr/x /etc/x 2>/dev/null && echo WRITABLE",
  "python3 -c \"import socket; socket.create_connection(('127.0.0.1', 1))\" 2>&1 | tail -n 1",
].join("; ");

const script = {
  scripts: {
    works: {
      turns: [
        {
          calls: [
            {
              tool: "content_write",
              arguments: { name: "sum.py", content: "print(sum(map(int, open('/workspace/n'))))" },
            },
            exec("python3 sum.py | tee /workspace/out/sum.txt"),
            exec(
              "mkdir /workspace/out/closed && echo x > /workspace/out/closed/f && chmod 0 /workspace/out/closed",
            ),
            exec(probes, { network: "none" }),
          ],
        },
        { text: "The sum is 6." },
      ],
    },
    hangs: { turns: [{ calls: [exec("sleep 600")] }] },
  },
};

const uid = process.getuid?.() === 0 ? 12_345 : undefined;
let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({ script, ...(uid === undefined ? {} : { uid }) });
}, 180_000);
afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
});

describe("a gateway of an ordinary user", () => {
  it("does the whole job, with what the run left being its own", async () => {
    expect(statSync(`/proc/${gateway.pid}`).uid).toBe(uid ?? process.getuid?.());
    const run = await clientOf(gateway).submitRun({
      model: "scripted/works",
      prompt: "Add the numbers up.",
      files: [{ path: "n", content: "1\n2\n3\n" }],
      outputDirs: ["/workspace/out"],
    });
    const ended = await run.wait();
    expect(ended).toMatchObject({
      status: "succeeded",
      cleanup_status: "succeeded",
      reply: "The sum is 6.",
      isolation: { ownUid: false },
    });
    expect(defectsOf(run.id, await historyOf(gateway, run.id))).toEqual([]);
    const [, summed, , probed] = await resultsOf(gateway, run.id);
    expect(summed).toMatchObject({ ok: true, stdout: "6\n" });
    const said = String(probed?.stdout);
    expect(said).toMatch(/^(?!0\n)\d+\n/);
    expect(said).toMatch(/CapEff:\s+0+\n/);
    expect(said).toMatch(/NoNewPrivs:\s+1\n/);
    expect(said).not.toContain("WRITABLE");
    expect(said).not.toContain("eth0");
    expect(said).toMatch(/ConnectionRefused|unreachable/i);
    const zip = await readZip(await run.download());
    expect(zip.get("outputs/sum.txt")?.toString()).toBe("6\n");
  });

  it("cancels, cleans up and stays whole", async () => {
    const run = await clientOf(gateway).submitRun({ model: "scripted/hangs", prompt: "x" });
    await untilEvent(run, "call.started");
    const place = join(gateway.dataDir, "runs", run.id);
    expect(statSync(place).isDirectory()).toBe(true);
    await run.cancel();
    expect(await run.wait()).toMatchObject({ status: "cancelled", cleanup_status: "succeeded" });
    expect(statSync(place, { throwIfNoEntry: false })).toBeUndefined();
    expect((await clientOf(gateway).verify()).defects).toEqual([]);
    expect((await clientOf(gateway).gc()).runDirectories).toBe(0);
  });
});
