/** docs/outputs.md is run as it stands there, and what it says is held against the code. */
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { readConfig } from "../src/base/config.ts";
import { limits } from "../src/base/limits.ts";
import { ArchiveCustody, ArchivePredicate } from "../src/contract/attestation.ts";
import { ArchiveManifest, missingReasons } from "../src/contract/output.ts";
import { RunSubmission } from "../src/contract/submission.ts";
import { clientOf } from "./support/airlock-api.ts";
import { statementIn } from "./support/forge-archive.ts";
import { readZip } from "./support/read-zip.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { typed } from "./support/terminal.ts";

const guide = readFileSync(new URL("../docs/outputs.md", import.meta.url), "utf8");
const said = guide.replaceAll(/\s+/g, " ");
const blocks = (language: string) =>
  [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map(
    ([, body = ""]) => body,
  );
const table = (head: string) => {
  const section = guide.slice(guide.indexOf(head));
  const [rows = ""] = /(^\|.*\n)+/m.exec(section) ?? [];
  return rows.trimEnd().split("\n").slice(2);
};
const [submission = "", manifest = "", custody = ""] = blocks("json");
const command =
  "cd /workspace/out; printf 'a,b\\n1,2\\n3,4\\n\\n' > report.csv; ln -s report.csv latest";
const script = {
  turns: [{ calls: [{ tool: "sandbox_exec", arguments: { command } }] }, { text: "done" }],
};

let gateway: StartedGateway;
let runId: string;
const dir = newDataDir();

beforeAll(async () => {
  gateway = await startGateway({ script });
  const run = await clientOf(gateway).submitRun({
    ...(RunSubmission.parse(JSON.parse(submission)) as { model: string; prompt: string }),
    secrets: { anthropic: { apiKey: "sk-ant-guide-5512-aa17" } },
  });
  expect(await run.wait()).toMatchObject({ status: "succeeded" });
  runId = run.id;
});
afterAll(async () => {
  await gateway.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** A line as it stands there, in a directory of its own: names of files are below it. */
async function type(line: string) {
  const [plain = "", to] = line.split(" > ");
  const words = plain.split(" ").slice(1);
  const argv = words.map((word) =>
    word === "RUN" ? runId : /^\w+\.(zip|pem|csv)$/.test(word) ? join(dir, word) : word,
  );
  // Which output is meant is no file.
  const at = words.indexOf("--output") + 1;
  if (at > 0) argv[at] = words[at] ?? "";
  const answer = await typed(argv, gateway);
  if (to !== undefined) writeFileSync(join(dir, to), answer.out);
  return answer;
}

/** The same members, of the same kinds. */
const shape = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, shape(member)]));
};

describe("docs/outputs.md", () => {
  it("shows commands that do what it says", async () => {
    const lines = blocks("sh").flatMap((body) => body.trimEnd().split("\n"));
    const airlock = lines.filter((line) => line.startsWith("airlock "));
    expect(airlock.length).toBe(6);
    for (const line of airlock) {
      const { code, err } = await type(line);
      expect({ line, code, err }).toMatchObject({ code: 0 });
    }
    expect(readFileSync(join(dir, "report.csv"), "utf8")).toContain("3,4");
    for (const line of lines.filter((one) => one.startsWith("openssl "))) {
      execFileSync("sh", ["-c", line], { cwd: dir });
      const env = { AIRLOCK_ATTESTATION_KEY_FILE: join(dir, "attestation-key.pem") };
      const other = await startGateway({ env });
      expect((await clientOf(other).attestationKey()).algorithm).toBe("ed25519");
      await other.stop();
    }
  });

  it("shows code that runs", async () => {
    const logged = vi.spyOn(console, "log").mockImplementation(() => undefined);
    onTestFinished(() => logged.mockRestore());
    const here = process.cwd();
    for (const body of blocks("ts")) {
      const text = body.replace(/"run\.zip"/, JSON.stringify(join(dir, "by-code.zip")));
      const run = new Function(
        "client",
        "runId",
        `return (async () => {${text}; return bytes;})()`,
      );
      const bytes: Uint8Array = await run(clientOf(gateway), runId);
      expect(Buffer.from(bytes).toString()).toContain("a,b");
      expect(logged).toHaveBeenCalledWith("report.csv", 13, expect.stringMatching(/^sha256:/));
    }
    expect(process.cwd()).toBe(here);
  });

  it("shows a manifest and a custody as they are", async () => {
    const zip = await readZip(await clientOf(gateway).run(runId).download());
    const real = (name: string) => JSON.parse(zip.get(name)?.toString() ?? "");
    expect(ArchiveManifest.parse(JSON.parse(manifest))).toEqual(JSON.parse(manifest));
    expect(shape(real("manifest.json"))).toEqual(shape(JSON.parse(manifest)));
    expect(ArchiveCustody.parse(JSON.parse(custody))).toEqual(JSON.parse(custody));
    expect(shape(real("custody.json"))).toEqual(shape(JSON.parse(custody)));
    const named = table("| member | |").map((row) => /`([^`]+)`/.exec(row)?.[1]);
    const members = [...zip.keys()].map((name) => name.replace(/^outputs\/.*/, "outputs/<name>"));
    expect(named).toEqual(members);
    expect(statementIn([...zip]).predicateType).toBe(/`(urn:airlock[^`]+)`/.exec(guide)?.[1]);
  });

  it("says every reason and every member of what is signed", () => {
    const reasons = table("| reason | |").map((row) => row.split(" | "));
    const known = Object.entries(missingReasons).map(([name, text]) => [
      `| \`${name}\``,
      `${text} |`,
    ]);
    expect(reasons).toEqual(known);
    const rows = table("predicate, `urn").flatMap((row) => {
      return [...(row.split(" | ")[0] ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => name);
    });
    expect([...rows].sort()).toEqual(Object.keys(ArchivePredicate.shape).sort());
  });

  it("says the limits that are", () => {
    const GiB = 1024 ** 3;
    expect(said).toContain(
      `One output may have ${limits.outputFileBytes / GiB} GiB, all of a run together ${limits.outputTotalBytes / GiB} GiB in ${limits.outputFiles.toLocaleString("en")} files`,
    );
    expect(said).toContain(`at most ${limits.outputDirs} absolute paths`);
    const { archivesPerMinute } = readConfig({}).frontLimits;
    expect(said).toContain(`${archivesPerMinute} archives in a minute (\`AIRLOCK_RATE_ARCHIVES\`)`);
  });
});
