/**
 * The packager's table, through a whole gateway: dependencies are installed once over the network into a layer, and what
 * is built of them then runs where there is none.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CapturedLayer } from "../src/contract/layer.ts";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import type { DirectedRun } from "./support/directed-run.ts";
import { identities } from "./support/escape-identities.ts";
import { registryAddress } from "./support/local-registry.ts";
import { openPackageHost, type PackageHost } from "./support/package-host.ts";
import {
  impatient,
  installRow,
  type PackageRow,
  packageRow,
  rowNames,
  word,
} from "./support/package-rows.ts";
import { refusedCall } from "./support/refused-call.ts";

const cases = rowNames.flatMap((name) => [
  { name, how: "with its lock as content", isLocked: true },
  { name, how: "without a lock", isLocked: false },
]);

describe.each(identities)("the packager of a gateway of $name", ({ uid }) => {
  let host: PackageHost;
  beforeAll(async () => {
    host = await openPackageHost({ uid });
  }, 180_000);
  afterAll(async () => {
    await host?.close();
  });

  async function contactedBy({ id }: DirectedRun): Promise<unknown[]> {
    const history = await historyOf(host.gateway, id);
    const allowed = history.filter((event) => isEvent(event, "egress.allowed"));
    return [...new Set(allowed.map(({ data }) => `${data.host}:${data.port} ${data.address}`))];
  }

  it.each(cases)(
    "installs $name $how into a layer, which then runs with no network",
    async ({ name, isLocked }) => {
      const row = packageRow(name, host.registry);
      const run = await host.open();
      const installed = await installRow(run, row, { isLocked });
      expect(installed, JSON.stringify(installed)).toMatchObject({ ok: true, cached: false });
      const [captured, ...others] = installed.captured_layers as [CapturedLayer];
      expect(others).toEqual([]);
      expect(CapturedLayer.parse(captured)).toEqual(captured);
      const { path, mount_as } = row.capture;
      expect(captured).toMatchObject({ path, mount_as, mount_path: path, cached: false });

      const inputs = Object.keys({ ...row.files, ...(isLocked ? row.lock : {}) });
      const built = await run.call("artifact_build", {
        ...{ inputs, entrypoints: [row.entrypoint], layers: installed.captured_layers },
      });
      expect(built, JSON.stringify(built)).toMatchObject({ ok: true });
      const connections = host.registry.connections();
      const ran = await run.call("artifact_exec", {
        ...{ artifact_ref: built.artifact_ref, entrypoint: row.entrypoint, network: "none" },
      });
      expect(ran, JSON.stringify(ran)).toMatchObject({ ok: true, stdout: `${word}\n` });
      expect(host.registry.connections()).toBe(connections);
      expect(await run.end()).toMatchObject({ status: "succeeded" });

      expect(await contactedBy(run)).toEqual([`${host.registry.host} ${registryAddress}`]);
      const layers = clientOf(host.gateway).layers;
      const layer = await layers.get(captured.layer_id);
      expect(layer).toMatchObject({ digest: captured.digest, hosts: ["registry.test"] });
      const { components, properties } = await layers.sbom(layer.id);
      expect(components).toEqual([expect.objectContaining(row.component)]);
      expect(properties).toContainEqual({ name: "airlock:build-host", value: "registry.test" });
    },
    180_000,
  );

  /** Installs where a person is asked, who says no. */
  function askedFor(run: DirectedRun, row: PackageRow) {
    return refusedCall(host.gateway, run, () => installRow(run, row, { isLocked: false }));
  }

  it.each(rowNames)(
    "asks for the registry and no other host to install %s without NetworkAccess",
    async (name) => {
      const run = await host.open({ hosts: null });
      const connections = host.registry.connections();
      const { hosts, answer } = await askedFor(run, packageRow(name, host.registry));
      expect(hosts).toEqual([host.registry.host]);
      expect(answer).toMatchObject({ ok: false, approval_rejected: true });
      await run.end();
      expect(host.registry.connections()).toBe(connections);
      expect(await contactedBy(run)).toEqual([]);
    },
    180_000,
  );

  it.each(rowNames)(
    "installs no %s without NetworkAccess, and has neither relay nor route",
    async (name) => {
      const run = await host.open({ hosts: null });
      const connections = host.registry.connections();
      const row = packageRow(name, host.registry);
      const command = impatient(row.command);
      const refused = { isLocked: false, network: "none" } as const;
      const installed = await installRow(run, { ...row, command }, refused);
      expect(installed).toMatchObject({ ok: false, captured_layers: [] });
      const around = await run.call("sandbox_exec", {
        command:
          "tail -n +2 /proc/net/route; tail -n +2 /proc/net/tcp; tail -n +2 /proc/net/unix; ls /run/airlock; compgen -e | grep -i proxy",
      });
      expect(around.stdout).toBe("");
      expect(host.registry.connections()).toBe(connections);
      await run.end();
      expect(await contactedBy(run)).toEqual([]);
    },
    180_000,
  );

  it("reaches no host but those that are named, and tells which one was asked for", async () => {
    const run = await host.open({ hosts: ["other.test"] });
    const connections = host.registry.connections();
    const { hosts, answer } = await askedFor(run, packageRow("Python", host.registry));
    expect(hosts).toEqual([host.registry.host]);
    expect(answer).toMatchObject({ ok: false, approval_rejected: true });
    const [name, port] = host.registry.host.split(":");
    // Where it goes is only known when it runs, so that the network has to hold.
    const hidden = await run.call("sandbox_exec", {
      command: `h=$(printf registry.%s test); curl -sS https://$h:${port}/simple/`,
    });
    expect(hidden).toMatchObject({ ok: false });
    await run.end();
    const history = await historyOf(host.gateway, run.id);
    const denied = history.filter((event) => isEvent(event, "egress.denied"));
    expect(denied[0]?.data).toMatchObject({ host: name, port: Number(port), reason: "not_listed" });
    expect(host.registry.connections()).toBe(connections);
  });
});
