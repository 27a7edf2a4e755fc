import { nameKeys } from "../contract/known-keys.ts";
import { type Issue, meantBranch } from "../contract/meant-branch.ts";
import type { ProxyEndpointAuth } from "../contract/proxy-endpoint.ts";
import { RunSubmission } from "../contract/submission.ts";
import type { AgentsMd } from "./agents-md.ts";
import { AirlockError } from "./errors.ts";
import type { File } from "./file-bundle.ts";
import { type InputSource, prepareFiles } from "./input-files.ts";
import { type McpServerSecret, type McpServerSource, splitMcpServers } from "./mcp-server.ts";
import {
  type ProxyEndpointDeclaration,
  type ProxyEndpointSource,
  splitProxyEndpoints,
} from "./proxy-endpoint.ts";
import type { Skill } from "./skill.ts";
import { type BundleSources, prepareBundles } from "./submit-bundles.ts";
import type { ApiRequest } from "./transport.ts";

/** Says what is wrong with a value before it is sent. */
interface Schema {
  safeParse(
    value: unknown,
    how: { error: typeof nameKeys },
  ): { success: true } | { success: false; error: { issues: readonly Issue[] } };
}

/** What may not be changed is as good as what may: a literal `as const` is an argument too. */
type Given<T> = T extends readonly (infer Item)[]
  ? readonly Given<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Given<T[Key]> }
    : T;

/** The members of a submission that are given as they are sent. */
type Plain = Given<
  Omit<RunSubmission, "agentsMd" | "files" | "mcpServers" | "proxyEndpoints" | "skills">
>;

/** What a run is asked to do. */
export interface SubmitOptions extends Plain {
  /** Inputs that are placed in `/workspace`, and files that are mounted: what a factory of `File` made. */
  readonly files?: readonly (File | InputSource)[];
  /** Made by a factory of `Skill`. */
  readonly skills?: readonly Skill[];
  /** Made by a factory of `AgentsMd`. */
  readonly agentsMd?: readonly AgentsMd[];
  /** Made by `McpServer.remote`, or declarations whose headers are in `secrets.mcpServers`. */
  readonly mcpServers?: readonly McpServerSource[];
  /** Made by a factory of `ProxyEndpoint`, or policies whose credentials are in `secrets.proxyEndpointAuth`. */
  readonly proxyEndpoints?: readonly ProxyEndpointSource[];
  /** Aborts the submission, not the run. */
  readonly signal?: AbortSignal;
}

/**
 * Checks a submission against the contract before anything is sent, and makes the request of it. A
 * random idempotency key is used when none is given, so that a repeated request after a broken
 * connection can never start a second run.
 */
export async function submitRequest(options: SubmitOptions): Promise<ApiRequest> {
  if (typeof options !== "object" || options === null) {
    throw new AirlockError({ code: "invalid_request", message: "Options must be an object" });
  }
  const { signal, ...rest } = options;
  const idempotencyKey = rest.idempotencyKey ?? crypto.randomUUID();
  const keyed = { ...withServers(withEndpoints(rest)), idempotencyKey };
  const request = await requestWithFiles("/api/runs", keyed, RunSubmission);
  return { ...request, hidden: stringsIn(keyed.secrets), repeatable: true, signal };
}

/** Every text of the secrets that is long enough to be told from others. */
export function stringsIn(value: unknown): string[] {
  if (typeof value === "string") return value.length < 8 ? [] : [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(stringsIn);
}

/**
 * Puts the credentials of endpoints where secrets are. That of an instance is stronger than an explicit one of the same
 * name, unless the two are not even of one type: then one of them is a mistake.
 */
function withEndpoints(options: Omit<SubmitOptions, "signal">): Omit<SubmitOptions, "signal"> {
  const { proxyEndpoints, secrets, ...rest } = options;
  if (proxyEndpoints === undefined) return options;
  const { declarations, auth } = splitProxyEndpoints(proxyEndpoints);
  refuseSameNames(declarations);
  const explicit = secrets?.proxyEndpointAuth ?? [];
  for (const one of explicit) refuseOtherType(one, auth);
  const others = explicit.filter(({ name }) => !auth.some((own) => own.name === name));
  const merged = [...auth, ...others];
  return {
    ...rest,
    proxyEndpoints: declarations,
    ...(secrets === undefined && merged.length === 0
      ? {}
      : { secrets: { ...secrets, ...(merged.length === 0 ? {} : { proxyEndpointAuth: merged }) } }),
  };
}

/** Puts the headers of servers where secrets are. */
function withServers(options: Omit<SubmitOptions, "signal">): Omit<SubmitOptions, "signal"> {
  const { mcpServers, secrets, ...rest } = options;
  if (!Array.isArray(mcpServers)) return options;
  const explicit = secrets?.mcpServers as McpServerSecret[] | undefined;
  const split = splitMcpServers(mcpServers, explicit);
  return {
    ...rest,
    mcpServers: split.declarations,
    ...(secrets === undefined && split.secrets.length === 0
      ? {}
      : {
          secrets: {
            ...secrets,
            ...(split.secrets.length === 0 ? {} : { mcpServers: split.secrets }),
          },
        }),
  };
}

function refuseSameNames(declarations: readonly ProxyEndpointDeclaration[]): void {
  const at = declarations.findIndex(({ name }, index) =>
    declarations.slice(0, index).some((before) => before.name === name),
  );
  if (at === -1) return;
  const name = JSON.stringify(declarations[at]?.name);
  throw invalid(`proxyEndpoints[${at}]`, `${name} is declared twice`);
}

function refuseOtherType(one: ProxyEndpointAuth, auth: readonly ProxyEndpointAuth[]): void {
  const own = auth.find(({ name }) => name === one.name);
  if (own === undefined || !("value" in own) || !("value" in one)) return;
  if (own.value.type === one.value.type) return;
  const types = `${one.value.type}, and the endpoint itself has one of type ${own.value.type}`;
  const message = `the credential of ${JSON.stringify(one.name)} is of type ${types}`;
  throw invalid("secrets.proxyEndpointAuth", message);
}

function invalid(path: string, message: string): AirlockError {
  const details = { fields: [{ path, message }] };
  return new AirlockError({ code: "invalid_request", message: `${path}: ${message}`, details });
}

/**
 * Checks a submission against its schema and makes the request of it: JSON, or a form when files or bundles travel as parts.
 * Bundles are packed last, when nothing else can be wrong.
 */
export async function requestWithFiles(
  path: string,
  options: BundleSources,
  schema: Schema,
): Promise<ApiRequest> {
  const { skills, agentsMd, files, ...rest } = options;
  const bundles = prepareBundles({ skills, agentsMd, files });
  const inputs = await prepareFiles(bundles.inputs);
  const submission = {
    ...rest,
    ...(bundles.skills ? { skills: bundles.skills } : {}),
    ...(bundles.agentsMd ? { agentsMd: bundles.agentsMd } : {}),
    ...(files
      ? { files: files.map((_, index) => inputs.files.get(index) ?? bundles.files.get(index)) }
      : {}),
  };
  checkRequest(schema, submission);
  const request = { method: "POST", path } as const;
  if (inputs.parts.size + bundles.parts.length === 0) return { ...request, json: submission };
  const form = new FormData();
  form.append("submission", JSON.stringify(submission));
  for (const [slot, blob] of inputs.parts) form.append(`file:${slot}`, blob, slot);
  for (const { name, filename, bundle } of bundles.parts) {
    form.append(name, await bundle.zip(), filename);
  }
  return { ...request, form, patient: true };
}

/** Throws `invalid_request` that names every wrong field; nothing was sent then. */
export function checkRequest(schema: Schema, submission: unknown, where = ""): void {
  const parsed = schema.safeParse(submission, { error: nameKeys });
  if (parsed.success) return;
  const fields = parsed.error.issues.flatMap((issue) => fieldsOf(issue, [], where));
  throw new AirlockError({
    code: "invalid_request",
    message: fields.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join("; "),
    details: { fields },
  });
}

function fieldsOf(
  issue: Issue,
  parent: readonly PropertyKey[],
  where: string,
): { path: string; message: string }[] {
  const path = [...parent, ...issue.path];
  const meant = meantBranch(issue);
  if (meant !== undefined) return meant.flatMap((inner) => fieldsOf(inner, path, where));
  return [{ path: pathOf(path) || where, message: messageOf(issue) }];
}

/** What is wrong with the name of a member says more than that one is wrong. */
function messageOf(issue: Issue): string {
  if (issue.code === "invalid_key") return issue.issues[0]?.message ?? issue.message;
  if (issue.code !== "unrecognized_keys") return issue.message;
  const keys = issue.keys.map((key) => JSON.stringify(key)).join(", ");
  return `unknown ${keys}; ${issue.message}`;
}

/** `files[2].path`, as one would write it in the program. */
function pathOf(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += text === "" ? String(part) : `.${String(part)}`;
  }
  return text;
}
