/**
 * Package clients in a sandbox at the registries that this machine's own clients use. A registry that cannot be reached
 * is named, and what the client says of it has to be the network's fault and not ours.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageConfiguration } from "../src/egress/egress.ts";
import { type BuildRoom, openBuildRoom } from "./support/build-room.ts";
import { findNewCargo } from "./support/new-cargo.ts";

let room: BuildRoom;
let programs: string | undefined;
const directory = mkdtempSync(join(tmpdir(), "airlock-real-"));

beforeAll(async () => {
  chmodSync(directory, 0o755);
  programs = findNewCargo(directory);
  if (!programs)
    process.stdout.write("The cargo of this machine wants an index that is a repository\n");
  room = await openBuildRoom();
});
afterAll(async () => {
  await room?.close();
  rmSync(directory, { recursive: true, force: true });
});

/**
 * Runs a command against the registries that its client wants by itself. The first attempt allows any public host; those
 * that this machine's resolver puts at special addresses are then listed by name, as its operator would.
 */
async function buildForReal(command: string) {
  const configuration = packageConfiguration({ env: process.env });
  const privateHosts = (process.env.AIRLOCK_PRIVATE_HOSTS ?? "").split(",").filter((each) => each);
  for (;;) {
    const named = [...configuration.hosts, ...privateHosts.filter((each) => !each.includes("/"))];
    const built = await room.build(command, {
      ...{ configuration, privateHosts, programs },
      hosts: ["*", ...named],
    });
    const more = built.denied
      .filter(({ reason }) => reason === "private_address")
      .map(({ host, port }) => (port === 443 || port === 80 ? host : `${host}:${port}`))
      .filter((each) => !privateHosts.includes(each));
    if (built.code === 0 || more.length === 0 || privateHosts.length > 20) return built;
    privateHosts.push(...new Set(more));
  }
}

describe("against the registries of this machine", () => {
  it.each([
    [
      "pip",
      "rm -rf py && python3 -m pip install --retries 1 --no-cache-dir --target py six && ls py",
      "six.py",
    ],
    [
      "npm",
      "rm -rf js && mkdir js && cd js && npm install is-number && ls node_modules",
      "is-number",
    ],
    [
      "go",
      "rm -rf go && mkdir go && cd go && go mod init t && go get rsc.io/quote@v1.5.2 && cat go.sum",
      "rsc.io/quote",
    ],
    [
      "cargo",
      "rm -rf rs && cargo init -q --vcs none --name real rs && cd rs && " +
        "echo 'itoa = \"1\"' >>Cargo.toml && cargo vendor -q >/dev/null && cat vendor/itoa/Cargo.toml",
      'name = "itoa"',
    ],
  ])(
    "%s installs, or it is said which host cannot be reached",
    async (client, command, wanted) => {
      const built = await buildForReal(command);
      const names = (records: { host: string }[]) =>
        [...new Set(records.map(({ host }) => host))].join(", ");
      if (built.code === 0) {
        expect(built.stdout).toContain(wanted);
        expect(built.allowed.length).toBeGreaterThan(0);
        process.stdout.write(`${client} installed from ${names(built.allowed)}\n`);
        return;
      }
      // Only what is outside of this machine excuses a client: none of these is a decision of ours.
      const missed = built.denied.filter(({ reason }) =>
        /not_found|unreachable|timed_out/.test(reason),
      );
      process.stdout.write(`${client} could not reach ${names(missed)}\n`);
      expect(missed.length, built.stderr).toBeGreaterThan(0);
    },
    180_000,
  );
});
