import type { Log } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import type { ProxyAuthValue, ProxyEndpointPolicy } from "../contract/proxy-endpoint.ts";
import { SecretValue } from "../contract/secret.ts";
import {
  containsSecret,
  openMask,
  type Redactor,
  type SecretMask,
  type SecretSearch,
  type Vault,
} from "../egress/egress.ts";
import type { Store } from "../store/store.ts";
import { headerParts, secretContext, secretNames, secretParts } from "./run-secrets.ts";

/** What a run may spend of its workspace: values by name, and every value that must not be seen. */
export interface WorkspaceVault {
  value(workspaceId: string, name: string): Promise<string | undefined>;
  known(workspaceId: string): Promise<string[]>;
  list(workspaceId: string): Promise<{ name: string }[]>;
}

/** Where a secret was about to appear. */
export type Surface = "transcript" | "live output" | "outputs" | "proxy";

/** The secrets of one run, open as long as it is driven. */
export interface OpenedSecrets {
  /** Every key is the one it was sealed with. */
  readable: boolean;
  /** By provider, and `<provider>/base_url`. */
  modelKeys: Record<string, string>;
  runToken: string;
  canary: string;
  /** What is spent at an endpoint; undefined when there is none, or it cannot be opened. */
  credential(endpoint: ProxyEndpointPolicy): ProxyAuthValue | { type: "none" } | undefined;
  /** The headers with which an MCP server is called; undefined: none came with the run. */
  mcpHeaders(server: string): Record<string, string> | undefined;
  /** A secret of this run for the environment of a command. */
  ofRun(name: string): string | undefined;
  namesOfRun(): string[];
  /** Cuts everything out that is known at this moment. */
  redactor(surface: Surface): Redactor;
  /** Looks for everything that is known at the start of each sequence of bytes. */
  search(): SecretSearch;
  /** Looks for the canary alone, in what the run sends to its endpoints. */
  canarySearch: SecretSearch;
  /** Opens the secrets of the workspace anew: one was set, rotated or deleted. */
  refresh(): Promise<void>;
}

interface Options {
  store: Pick<Store, "secrets">;
  vault: Vault;
  workspace: WorkspaceVault;
  threads: Threads;
  log: Log;
  runId: string;
  workspaceId: string;
  endpoints: readonly Pick<ProxyEndpointPolicy, "name" | "authShape">[];
  onCanary: (surface: Surface) => void;
  /** Each value that was opened, so that no log line holds it until what it gives back is called. */
  onOpened: (values: readonly string[]) => () => void;
  /** Aborts when the run is not driven any more. */
  over: AbortSignal;
}

/** Opens what is sealed with a run, and what of its workspace may be spent or must be hidden. */
export async function openSecretsOf(options: Options): Promise<OpenedSecrets> {
  const { workspace, workspaceId, threads } = options;
  const { own, readable } = await openOwn(options);
  const credentials = credentialsOf(own);
  let known: string[] = [];
  let values = new Map<string, string>();
  let redactors = new Map<Surface, Redactor>();
  /** For all surfaces the same one, made anew when what is known has changed. */
  let made: SecretMask | undefined;
  const mask = () => {
    made ??= openMask(known, canary);
    return made;
  };
  let searching: SecretSearch | undefined;
  let forgetLast: () => void = () => undefined;
  const isPair = isPairOf(options.endpoints, credentials);
  const named = credentials.flatMap(({ secret }) => (secret === undefined ? [] : [secret]));
  const ofRun = valuesOf(own, credentials);
  const canary = own.get(secretNames.canary) ?? "";

  const refresh = inTurn(async () => {
    const found = new Map<string, string>();
    for (const name of named) {
      const value = await workspace.value(workspaceId, name);
      if (value !== undefined) found.set(name, value);
    }
    const shared = await workspace.known(workspaceId);
    const passwords = isPair ? shared.flatMap(passwordIn) : [];
    known = [...new Set([...ofRun, ...shared, ...passwords])];
    values = found;
    made = undefined;
    redactors = new Map();
    searching = undefined;
    const forget = options.onOpened([...known, canary]);
    forgetLast();
    forgetLast = forget;
    if (options.over.aborted) forget();
  });
  await refresh();
  options.over.addEventListener("abort", () => forgetLast(), { once: true });
  return {
    readable,
    modelKeys: Object.fromEntries(
      [...own].filter(([name]) => !/^(run_token|canary|(proxy|mcp|env)\/.*)$/.test(name)),
    ),
    runToken: own.get(secretNames.runToken) ?? "",
    canary,
    credential({ name, authShape }) {
      if (authShape.type === "none") return { type: "none" };
      const found = credentials.find((one) => one.endpoint === name);
      if (found?.secret === undefined) return found?.value;
      const value = values.get(found.secret);
      return value === undefined ? undefined : inShape(authShape.type, value);
    },
    mcpHeaders: (server) => headersIn(own.get(secretNames.mcp(server))),
    ofRun: (name) => own.get(secretNames.env(name)),
    namesOfRun: () =>
      [...own.keys()].flatMap((name) => (name.startsWith("env/") ? [name.slice(4)] : [])),
    redactor(surface) {
      const onCanary = () => options.onCanary(surface);
      const found = redactors.get(surface) ?? mask().redactor({ threads, onCanary });
      redactors.set(surface, found);
      return found;
    },
    search() {
      const onCanary = () => options.onCanary("outputs");
      const now = () => {
        searching ??= mask().search({ onCanary });
        return searching;
      };
      return {
        start: () => now().start(),
        get recipe() {
          return now().recipe;
        },
        onCanary,
      };
    },
    canarySearch: containsSecret([], { canary, onCanary: () => options.onCanary("proxy") }),
    refresh,
  };
}

/** One after the other: what was read before a change must not take the place of what was read after it. */
function inTurn(work: () => Promise<void>): () => Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}

/** Whether an endpoint spends a secret of the workspace as `username:password`. */
function isPairOf(endpoints: Options["endpoints"], credentials: readonly Credential[]): boolean {
  const shared = credentials.filter(({ secret }) => secret !== undefined);
  return endpoints.some(
    ({ name, authShape }) =>
      authShape.type === "basic" && shared.some(({ endpoint }) => endpoint === name),
  );
}

/** What an upstream may repeat without the name before it, where it can be told from ordinary text. */
function passwordIn(pair: string): string[] {
  const colon = pair.indexOf(":");
  const password = pair.slice(colon + 1);
  return colon >= 0 && SecretValue.safeParse(password).success ? [password] : [];
}

/** A secret of the workspace as the credential of an endpoint of this shape; undefined when it cannot be one. */
function inShape(
  shape: "bearer" | "basic" | "header" | "query",
  value: string,
): ProxyAuthValue | undefined {
  if (shape === "bearer") return { type: shape, token: value };
  if (shape !== "basic") return { type: shape, value };
  const colon = value.indexOf(":");
  if (colon < 0) return undefined;
  return { type: shape, username: value.slice(0, colon), password: value.slice(colon + 1) };
}

interface Credential {
  endpoint: string;
  value?: ProxyAuthValue;
  /** The name of a secret of the workspace. */
  secret?: string;
}

function credentialsOf(own: ReadonlyMap<string, string>): Credential[] {
  return [...own].flatMap(([name, json]) => {
    if (!name.startsWith("proxy/")) return [];
    const given = JSON.parse(json) as { value?: ProxyAuthValue; secret?: string };
    return [{ endpoint: name.slice("proxy/".length), ...given }];
  });
}

/** Everything of a run that nobody may read; the canary is looked for in its own way. */
function valuesOf(own: ReadonlyMap<string, string>, credentials: readonly Credential[]): string[] {
  const plain = [...own].flatMap(([name, value]) =>
    /^(proxy|mcp)\//.test(name) || name.endsWith("/base_url") || name === secretNames.canary
      ? []
      : [value],
  );
  const headers = [...own].flatMap(([name, value]) =>
    name.startsWith("mcp/") ? headerParts(headersIn(value) ?? {}) : [],
  );
  const spent = credentials.flatMap(({ value }) => (value === undefined ? [] : secretParts(value)));
  return [...plain, ...headers, ...spent];
}

function headersIn(json: string | undefined): Record<string, string> | undefined {
  return json === undefined ? undefined : (JSON.parse(json) as Record<string, string>);
}

async function openOwn({
  store,
  vault,
  log,
  runId,
}: Options): Promise<{ own: Map<string, string>; readable: boolean }> {
  const own = new Map<string, string>();
  let readable = true;
  for (const { name, sealed } of await store.secrets.get(runId)) {
    try {
      own.set(name, vault.open(sealed, secretContext(runId, name)));
    } catch (error) {
      log.error({ run: runId, name, err: error }, "run.credential_unreadable");
      readable = false;
    }
  }
  return { own, readable };
}
