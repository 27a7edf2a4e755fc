/**
 * I13: the power of a run is bounded twice over what its agent declares: by the grant that it was submitted with, and by the
 * operator's, which holds for every run of the gateway.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "./support/airlock-api.ts";
import { type Director, openDirector } from "./support/directed-run.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const directory = mkdtempSync(join(tmpdir(), "airlock-grant-"));
const operator = [
  { type: "CodeExecution", patterns: ["python3 ", "echo "] },
  { type: "NetworkAccess", hosts: ["inside.example"] },
];
let director: Director;
let gateway: StartedGateway;
const grantFile = join(directory, "grant.json");

beforeAll(async () => {
  writeFileSync(grantFile, JSON.stringify(operator));
  director = await openDirector();
  gateway = await startGateway({ env: { ...director.env, AIRLOCK_GRANT: grantFile } });
});
afterAll(async () => {
  await gateway.stop();
  await director.close();
  rmSync(directory, { recursive: true });
});

const exec = (command: string) => ({ command, network: "none" });

describe("the operator's grant", () => {
  it("bounds every run, also one whose agent may do everything", async () => {
    const run = await director.open(gateway);
    expect(await run.call("sandbox_exec", exec("echo hello"))).toMatchObject({ ok: true });
    const denied = await run.call("sandbox_exec", exec("ls"));
    expect(denied).toMatchObject({ ok: false, error_type: "permission" });
    // What the grant does not have at all is not even shown.
    const write = await run.call("content_write", { name: "a", content: "a" });
    expect(write).toMatchObject({ ok: false, error_type: "permission" });
    await run.end();
  });

  it("is told by explain, hosts included", async () => {
    const agent = {
      capabilities: [
        { type: "CodeExecution", patterns: ["*"] },
        { type: "NetworkAccess", hosts: ["*"] },
      ],
    };
    const question = { tool: "sandbox_exec", arguments: { command: "python3 -V" }, agent };
    const { body } = await call(gateway, "POST", "/api/policy/explain", question);
    expect(body).toMatchObject({ decision: "allow", hosts: ["inside.example"] });
  });

  it.each([
    ["that is no JSON", "{", "JSON"],
    ["with a capability that is none", '[{"type":"Everything"}]', "type"],
    ["with a host that cannot be meant", '[{"type":"NetworkAccess","hosts":["a..b"]}]', "hosts"],
  ])("%s keeps the gateway from starting, and says what is wrong", async (_, text, named) => {
    const wrong = join(directory, "wrong.json");
    writeFileSync(wrong, text);
    const start = startGateway({ env: { AIRLOCK_GRANT: wrong } });
    await expect(start).rejects.toThrow(named);
    await expect(start).rejects.toThrow("AIRLOCK_GRANT");
  });
});

describe("the grant of a submission", () => {
  it("bounds its run, and grants nothing that its agent does not declare", async () => {
    const run = await director.open(gateway, {
      grant: [{ type: "CodeExecution", patterns: ["echo "] }],
    });
    expect(await run.call("sandbox_exec", exec("echo hello"))).toMatchObject({ ok: true });
    const denied = await run.call("sandbox_exec", exec("python3 -V"));
    expect(denied).toMatchObject({ ok: false, error_type: "permission" });
    await run.end();
    const narrow = await director.open(gateway, {
      agent: {
        instructions: "Do it.",
        capabilities: [{ type: "CodeExecution", patterns: ["echo "] }],
      },
      grant: [{ type: "CodeExecution", patterns: ["*"] }],
    });
    expect(await narrow.call("sandbox_exec", exec("python3 -V"))).toMatchObject({ ok: false });
    await narrow.end();
  });

  it("is refused with the field when a host in it cannot be meant", async () => {
    const grant = [{ type: "NetworkAccess", hosts: ["a..b"] }];
    const body = { model: "scripted/x", prompt: "go", grant };
    const refused = await call(gateway, "POST", "/api/runs", body);
    expect(refused.status).toBe(400);
  });
});
