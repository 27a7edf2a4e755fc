/**
 * NetworkAccess through a whole gateway: an operator who lists an index of his network and names the proxy of the machine,
 * an agent that is granted hosts, and what the journal says afterwards.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { makeCompanyProxy } from "./support/company-proxy.ts";
import {
  type LocalRegistry,
  openLocalRegistry,
  registryAddress,
} from "./support/local-registry.ts";
import { resultsIn } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const directory = mkdtempSync(join(tmpdir(), "airlock-access-"));
const pipInstall =
  "python3 -m pip install --retries 0 --no-cache-dir --target deps airlock-fixture && " +
  "PYTHONPATH=deps python3 -c 'import airlock_fixture; print(airlock_fixture.word)'";
/** A host that is only known when it runs: one that can be read is asked for, and the network never sees it. */
const evil = "h=$(printf evil.%s test)";

let registry: LocalRegistry;
let company: ReturnType<typeof makeCompanyProxy>;
let gateway: StartedGateway;
/** The index, as an agent is granted it. */
let index: string;

beforeAll(async () => {
  chmodSync(directory, 0o755);
  registry = await openLocalRegistry(directory);
  const port = registry.host.split(":")[1] ?? "";
  index = `${registryAddress}:${port}`;
  company = makeCompanyProxy(`Basic ${btoa("ada:s3cret")}`, {
    ...{ port: Number(port), host: registryAddress },
  });
  await new Promise<void>((resolve) => company.server.listen(0, "127.0.0.1", resolve));
  const proxy = (company.server.address() as AddressInfo).port;
  const exec = (command: string, more = {}) => ({
    turns: [
      { calls: [{ tool: "sandbox_exec", arguments: { command, ...more } }] },
      { text: "done" },
    ],
  });
  gateway = await startGateway({
    script: {
      scripts: {
        installs: exec(`${pipInstall}; ${evil}; curl -sS https://$h/x; true`),
        alone: exec(`${pipInstall}; curl -sS https://evil.test/x; true`, { network: "none" }),
        "goes-far": exec(`curl -sS https://registry.test:${port}/simple/airlock-fixture/`),
        knocks: exec(`${evil}; for i in $(seq 40); do curl -s https://$h/; done; true`),
      },
    },
    env: {
      AIRLOCK_PRIVATE_HOSTS: index,
      AIRLOCK_UPSTREAM_PROXY: `http://ada:s3cret@127.0.0.1:${proxy}`,
      PIP_INDEX_URL: `https://ada:s3cret@${index}/simple/`,
      NODE_EXTRA_CA_CERTS: registry.authority,
    },
  });
}, 180_000);
afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  company?.server.closeAllConnections();
  company?.server.close();
  registry?.close();
  rmSync(directory, { recursive: true });
});

async function runWith(script: string, hosts: string[] | undefined) {
  const network = hosts === undefined ? [] : [{ type: "NetworkAccess" as const, hosts }];
  const run = await clientOf(gateway).submitRun({
    ...{ model: `scripted/${script}`, prompt: "Do it." },
    agent: {
      instructions: "Do it.",
      capabilities: [{ type: "CodeExecution", patterns: ["*"] }, ...network],
    },
  });
  expect(await run.wait()).toMatchObject({ status: "succeeded" });
  const history = await historyOf(gateway, run.id);
  expect(defectsOf(run.id, history)).toEqual([]);
  expect(JSON.stringify(history) + gateway.log()).not.toContain("s3cret");
  const [result] = resultsIn(history);
  const call = history.filter((event) => isEvent(event, "call.started"))[0];
  const allowed = history.filter((event) => isEvent(event, "egress.allowed"));
  const denied = history.filter((event) => isEvent(event, "egress.denied"));
  const decided = history.filter((event) => isEvent(event, "call.decided"))[0];
  const finished = history.filter((event) => isEvent(event, "call.finished"))[0];
  for (const { seq, data } of [...allowed, ...denied]) {
    expect(data.call_id).toBe(call?.data.call_id);
    expect(seq).toBeGreaterThan(call?.seq ?? Number.POSITIVE_INFINITY);
    expect(seq).toBeLessThan(finished?.seq ?? 0);
  }
  return { result, allowed, denied, decided };
}

describe("a run with NetworkAccess", () => {
  it("installs from the index that the operator listed, and every connection is in the journal", async () => {
    const { result, allowed, denied } = await runWith("installs", [index]);
    expect(result, JSON.stringify(result)).toMatchObject({ ok: true });
    expect(result?.stdout).toContain("from the local index\n");
    expect(allowed.length).toBeGreaterThan(0);
    for (const { data } of allowed) {
      const address = registryAddress;
      expect(data).toMatchObject({ host: address, address, port: Number(index.split(":")[1]) });
      expect(data).toMatchObject({ cut: null });
      expect(data.bytes_up).toBeGreaterThan(100);
      expect(data.bytes_down).toBeGreaterThan(100);
    }
    expect(denied.map(({ data }) => [data.host, data.port, data.reason])).toEqual([
      ["evil.test", 443, "not_listed"],
    ]);
    // It is on this side of the proxy.
    expect(company.asked).toEqual([]);
  });

  it("reaches other hosts through the proxy that the operator named, and the journal has no address", async () => {
    const port = Number(registry.host.split(":")[1]);
    const { result, allowed, denied } = await runWith("goes-far", [registry.host]);
    expect(result?.stdout, JSON.stringify(result)).toContain(".whl");
    expect(company.asked).toEqual([registry.host]);
    expect(denied).toEqual([]);
    const data = { host: "registry.test", port, address: null, cut: null };
    expect(allowed.map((event) => event.data)).toMatchObject([data]);
  });

  it("has a bounded number of the same refusal in its journal, and the log counts the rest", async () => {
    const { denied } = await runWith("knocks", [index]);
    expect(denied).toHaveLength(16);
    expect(gateway.log()).toMatch(/"unreported":24.*egress\.denied_again|denied_again.*24/);
  });
});

it("a run without NetworkAccess has nothing that listens, and no connection in its journal", async () => {
  const { result, allowed, denied, decided } = await runWith("alone", undefined);
  expect(result?.stdout).not.toContain("from the local index");
  expect(String(result?.stderr)).toContain("Could not resolve host: evil.test");
  expect([...allowed, ...denied]).toEqual([]);
  expect(JSON.stringify(decided?.data)).not.toContain("NetworkAccess");
});
