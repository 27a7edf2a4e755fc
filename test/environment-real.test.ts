/**
 * Packages of a submission from the registries that this machine's own clients use. One that cannot be reached is named, and
 * the run says so; everything else has to work.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent, type RunEvent } from "../src/sdk/sdk.ts";
import { historyOf } from "./support/airlock-api.ts";
import { type Director, openDirector } from "./support/directed-run.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

let director: Director;
let gateway: StartedGateway;
const dataDir = newDataDir();
const privateHosts = new Set(
  (process.env.AIRLOCK_PRIVATE_HOSTS ?? "").split(",").filter((each) => each !== ""),
);

const start = () => {
  const own = Object.entries(process.env).filter(([name]) =>
    /^(PIP_|npm_config_|GO|HOME$)/.test(name),
  );
  const env = Object.fromEntries(own) as Record<string, string>;
  const hosts = [...privateHosts].join(",");
  return startGateway({ dataDir, env: { ...env, ...director.env, AIRLOCK_PRIVATE_HOSTS: hosts } });
};

beforeAll(async () => {
  director = await openDirector();
  gateway = await start();
});
afterAll(async () => {
  await gateway?.stop();
  await director?.close();
});

/** Hosts that this machine's resolver puts at special addresses are listed by name, as its operator would. */
function specialIn(history: readonly RunEvent[]): string[] {
  return history.flatMap((event) =>
    isEvent(event, "egress.denied") && event.data.reason === "private_address"
      ? [`${event.data.host}:${event.data.port}`]
      : [],
  );
}

const outside =
  /not_found|unreachable|timed_out|Could not resolve|No matching distribution|Unable to locate|Failed to fetch|not installed here|ENOTFOUND|E404|ETARGET/;

describe("packages from the registries of this machine", () => {
  it.each([
    ["pip:six", "1.16.0", "python3 -c 'import six; print(six.__version__)'", "1.16.0\n"],
    ["npm:is-number", "7.0.0", "node -e 'console.log(require(\"is-number\")(7))'", "true\n"],
    [
      "apt:jq",
      undefined,
      "echo '{}' | jq -c '. + {a: 1}'; command -v jq",
      '{"a":1}\n/opt/packages/apt/bin/jq\n',
    ],
  ])(
    "%s is there, or it is said why not",
    async (name, version, command, wanted) => {
      for (;;) {
        const one = version === undefined ? { name } : { name, version };
        const run = await director.open(gateway, { environment: { packages: [one] } });
        const said = await run
          .call("sandbox_exec", { command })
          .catch((error: unknown) => ({ ok: false, stdout: String(error) }));
        if (said.ok) {
          expect(said.stdout).toBe(wanted);
          await run.end();
          return;
        }
        const more = specialIn(await historyOf(gateway, run.id)).filter(
          (at) => !privateHosts.has(at),
        );
        if (more.length === 0 || privateHosts.size > 20) {
          process.stdout.write(`${name}: ${said.stdout}\n`);
          expect(said.stdout).toMatch(/environment_failed/);
          expect(said.stdout).toMatch(outside);
          return;
        }
        for (const host of more) privateHosts.add(host);
        await gateway.stop();
        gateway = await start();
      }
    },
    240_000,
  );
});
