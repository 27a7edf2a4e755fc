/**
 * The same lock is the same layer: installed twice, at other times and as other users, from a registry of every kind on
 * loopback and from those that this machine's own clients use, as far as they can be reached.
 */
import { statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageConfiguration } from "../src/egress/egress.ts";
import { isEvent } from "../src/sdk/sdk.ts";
import { historyOf } from "./support/airlock-api.ts";
import type { CallAnswer, DirectedRun } from "./support/directed-run.ts";
import { openPackageHost, type PackageHost } from "./support/package-host.ts";
import {
  impatient,
  installRow,
  type PackageRow,
  packageRow,
  rowNames,
} from "./support/package-rows.ts";

let host: PackageHost;
beforeAll(async () => {
  host = await openPackageHost();
}, 180_000);
afterAll(async () => {
  await host?.close();
});

type Captured = { digest: string; file_count: number };

/** Whose a run is on the host. */
function ownerOf({ id }: DirectedRun): number {
  return statSync(join(host.dataDir, "runs", id, "tmp")).uid;
}

/** Installs in two runs that are open at the same time, so that the users of the host are two. */
async function installTwice(row: PackageRow, isLocked: boolean, hosts?: string[]) {
  const answers: CallAnswer[] = [];
  const runs: DirectedRun[] = [];
  for (let time = 0; time < 2; time++) {
    const run = await host.open(hosts === undefined ? {} : { hosts });
    runs.push(run);
    const answer = await installRow(run, row, { isLocked, fresh: true });
    answers.push(answer);
    if (!answer.ok) return { answers, runs };
    // Files that are made from now on have other times.
    if (time === 0) await run.call("sandbox_exec", { command: "sleep 1", network: "none" });
  }
  if (process.getuid?.() === 0) expect(new Set(runs.map(ownerOf)).size).toBe(2);
  return { answers, runs };
}

function expectOneLayer(answers: CallAnswer[]): Captured {
  const layers = answers.map((answer) => {
    expect(answer, JSON.stringify(answer)).toMatchObject({ ok: true, cached: false });
    return (answer.captured_layers as Captured[])[0] as Captured;
  });
  expect(layers[1]?.digest).toBe(layers[0]?.digest);
  return layers[0] as Captured;
}

describe("two installs of one lock", () => {
  it.each(rowNames)(
    "from a local registry are one layer, for %s",
    async (name) => {
      const { answers, runs } = await installTwice(packageRow(name, host.registry), true);
      expectOneLayer(answers);
      await Promise.all(runs.map((run) => run.end()));
    },
    180_000,
  );
});

/** What the programs of this machine's user know of registries, proxies and authorities. */
const ownEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      /^(PIP_|npm_config_|GO(PROXY|SUMDB|PRIVATE|NOSUMDB|INSECURE)$|CARGO_|(SSL|NODE|REQUESTS|CURL|GIT|NIX)_.*(CERT|CA|BUNDLE))/i.test(
        entry[0],
      ),
  ),
);

const real: Omit<PackageRow, "component" | "lock">[] = [
  {
    name: "Python",
    files: {
      "requirements.txt":
        "requests==2.31.0\ncharset-normalizer==3.3.2\nidna==3.6\nurllib3==2.1.0\ncertifi==2023.11.17\n",
      "main.py": "import requests, charset_normalizer.md\nprint('ran', requests.__version__)\n",
    },
    command: "pip install -r /tmp/requirements.txt --target /tmp/venv",
    capture: { path: "/tmp/venv", mount_as: "/opt/venv" },
    entrypoint: "main.py",
  },
  {
    name: "Node",
    files: {
      "package.json": '{"name":"x","version":"1.0.0","dependencies":{"express":"4.18.2"}}',
      "main.mjs": "import express from 'express';\nconsole.log('ran', typeof express());\n",
    },
    command: "npm install --prefix /tmp",
    capture: { path: "/tmp/node_modules", mount_as: "/opt/node_modules" },
    entrypoint: "main.mjs",
  },
  {
    name: "Go",
    files: {
      "go.mod": "module x\n\ngo 1.16\n\nrequire rsc.io/quote v1.5.2\n",
      "main.go":
        'package main\n\nimport (\n\t"fmt"\n\n\t"rsc.io/quote"\n)\n\nfunc main() { fmt.Println("ran", quote.Go() != "") }\n',
      "run.sh": "#!/bin/sh\nexec go run main.go\n",
    },
    command: "go mod download -modcacherw",
    capture: { path: "/tmp/go_modules", mount_as: "/opt/go_modules" },
    entrypoint: "run.sh",
  },
  {
    name: "Rust",
    files: {
      "Cargo.toml":
        '[package]\nname = "x"\nversion = "0.1.0"\nedition = "2021"\n\n[[bin]]\nname = "x"\npath = "main.rs"\n\n[dependencies]\nitoa = "=1.0.9"\n',
      "main.rs": 'fn main() { println!("ran {}", itoa::Buffer::new().format(7)) }\n',
      "run.sh":
        "#!/bin/sh\nexport CARGO_TARGET_DIR=/workspace/target\nexec cargo run -q --manifest-path /tmp/Cargo.toml\n",
    },
    command: "cargo fetch",
    capture: { path: "/tmp/cargo_registry", mount_as: "/opt/cargo_registry" },
    entrypoint: "run.sh",
  },
];

describe("against the registries of this machine", () => {
  const named = packageConfiguration({ env: process.env }).hosts;
  const privateHosts = new Set(
    (process.env.AIRLOCK_PRIVATE_HOSTS ?? "").split(/[\s,]+/).filter((each) => each !== ""),
  );

  /** Hosts that this machine's resolver puts at special addresses are listed by name, as its operator would. */
  async function restart(): Promise<void> {
    await host.gateway.stop();
    const AIRLOCK_PRIVATE_HOSTS = [...privateHosts].join(" ");
    const authorities = process.env.NODE_EXTRA_CA_CERTS ?? "";
    await host.restart({
      env: {
        ...{ NODE_EXTRA_CA_CERTS: authorities, ...ownEnvironment, HOME: homedir() },
        AIRLOCK_PRIVATE_HOSTS,
      },
    });
  }
  beforeAll(restart);

  async function refusedIn(runs: DirectedRun[]) {
    const histories = await Promise.all(runs.map(({ id }) => historyOf(host.gateway, id)));
    return histories
      .flat()
      .filter((event) => isEvent(event, "egress.denied"))
      .map(({ data }) => data);
  }

  it.each(real)(
    "two installs are one layer that runs offline, for $name, or it is said what cannot be reached",
    async (wanted) => {
      const row = { ...wanted, lock: {}, command: impatient(wanted.command) } as PackageRow;
      for (;;) {
        const open = [...privateHosts].filter((each) => !each.includes("/"));
        const { answers, runs } = await installTwice(row, false, ["*", ...named, ...open]);
        const [run] = runs as [DirectedRun];
        if (answers.at(-1)?.ok) {
          const layer = expectOneLayer(answers);
          const built = await run.call("artifact_build", {
            ...{ inputs: Object.keys(row.files), entrypoints: [row.entrypoint] },
            layers: answers[0]?.captured_layers,
          });
          const ran = await run.call("artifact_exec", {
            ...{ artifact_ref: built.artifact_ref, entrypoint: row.entrypoint },
          });
          expect(ran, JSON.stringify(ran)).toMatchObject({ ok: true });
          expect(ran.stdout).toMatch(/^ran /);
          process.stdout.write(`${row.name}: ${layer.file_count} files, one digest\n`);
          await Promise.all(runs.map((one) => one.end()));
          return;
        }
        await Promise.all(runs.map((one) => one.end()));
        const refused = await refusedIn(runs);
        const atPrivate = refused.filter(({ reason }) => reason === "private_address");
        const more = atPrivate
          .map(({ host: name, port }) => (port === 443 || port === 80 ? name : `${name}:${port}`))
          .filter((name) => !privateHosts.has(name));
        if (more.length === 0) {
          // Only what is outside of this machine excuses a client: none of these is a decision of ours.
          const missed = refused.filter(({ reason }) =>
            /not_found|unreachable|timed_out/.test(reason),
          );
          const names = [...new Set(missed.map(({ host: name }) => name))].join(", ");
          process.stdout.write(`${row.name} could not reach ${names}\n`);
          expect(missed.length, JSON.stringify(answers)).toBeGreaterThan(0);
          return;
        }
        for (const name of more) privateHosts.add(name);
        await restart();
      }
    },
    180_000,
  );
});
