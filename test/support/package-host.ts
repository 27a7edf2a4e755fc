/**
 * A gateway as a company has it: its packages come from a registry of the company's own, which the configuration of the
 * gateway's user names, with certificates of the company's authority. The models of its runs are the test.
 */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type DirectedRun, openDirector, type Submission } from "./directed-run.ts";
import { everyCommand } from "./every-command.ts";
import {
  type LocalRegistry,
  openLocalRegistry,
  registryAddress,
  registryHost,
} from "./local-registry.ts";
import { cargoSources } from "./package-rows.ts";
import { removeTree } from "./remove-tree.ts";
import { newDataDir, type StartedGateway, startGateway } from "./start-gateway.ts";

export interface PackageHost {
  registry: LocalRegistry;
  /** Of the last start. */
  gateway: StartedGateway;
  dataDir: string;
  /** Starts the gateway again on the same data, after it was stopped or killed. */
  restart(more?: Restart): Promise<StartedGateway>;
  /** A run that may do everything, and reach the registry; with other `hosts`, those. */
  open(options?: RunOptions): Promise<DirectedRun>;
  close(): Promise<void>;
}

export interface Restart {
  env?: Record<string, string>;
  preload?: string[];
}

export interface RunOptions extends Submission {
  /** What its `NetworkAccess` names; null: it has none. Default: the registry. */
  hosts?: string[] | null;
  /** A run of the built-in agent, which reaches what its submission says. */
  plain?: true;
  /** Another caller than the first token. */
  as?: { url: string; token: string };
}

/** As an operator would declare them: all powers but the network. */
export const powers = [
  { type: "ReadAccess", scopes: ["self.*"] },
  { type: "WriteAccess", scopes: ["self.*"] },
  { type: "CodeExecution", patterns: everyCommand },
] as const;

export async function openPackageHost(
  options: { uid?: number | undefined; env?: Record<string, string> } = {},
): Promise<PackageHost> {
  const directory = mkdtempSync(join(tmpdir(), "airlock-package-host-"));
  chmodSync(directory, 0o755);
  const registry = await openLocalRegistry(directory);
  const home = writeHome(directory, registry);
  const director = await openDirector();
  const dataDir = newDataDir(options.uid);
  const start = ({ env = {}, preload = [] }: Restart = {}) =>
    startGateway({
      ...{ dataDir, preload: ["test/support/company-names.ts", ...preload] },
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      env: {
        ...director.env,
        HOME: home,
        NODE_EXTRA_CA_CERTS: registry.authority,
        AIRLOCK_PRIVATE_HOSTS: registry.host,
        AIRLOCK_TEST_NAMES: `${registryHost}=${registryAddress}`,
        ...options.env,
        ...env,
      },
    });
  let gateway = await start();
  return {
    ...{ registry, dataDir },
    get gateway() {
      return gateway;
    },
    async restart(more) {
      gateway = await start(more);
      return gateway;
    },
    open({ hosts = [registry.host], as = gateway, plain, ...submission } = {}) {
      if (plain) return director.open(as, submission);
      const network = hosts === null ? [] : [{ type: "NetworkAccess" as const, hosts }];
      const capabilities = [...structuredClone(powers), ...network] as never;
      const agent = { instructions: "You do as you are told", capabilities };
      return director.open(as, { agent, ...submission });
    },
    async close() {
      await gateway.stop();
      registry.close();
      await director.close();
      for (const dir of [directory, dataDir]) removeTree(dir);
    },
  };
}

function writeHome(directory: string, registry: LocalRegistry): string {
  const home = join(directory, "home");
  const files = {
    ".config/pip/pip.conf": `[global]\nindex-url = ${registry.url}/simple/\n`,
    ".npmrc": `registry=${registry.url}/npm/\n`,
    ".cargo/config.toml": cargoSources(registry.url),
    ".config/go/env": `GOPROXY=${registry.url}/go\nGOSUMDB=off\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text);
  }
  return home;
}
