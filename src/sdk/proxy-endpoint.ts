import {
  authCarrier,
  type ProxyAuthShape,
  type ProxyEndpointAuth,
  proxyResponseModes,
} from "../contract/proxy-endpoint.ts";
import type { RunSubmission } from "../contract/submission.ts";

/** What an endpoint lets through, as it is submitted. */
export type ProxyEndpointDeclaration = NonNullable<RunSubmission["proxyEndpoints"]>[number];

/** What every factory takes. The gateway fills in what is left out; docs/proxy-endpoints.md has the defaults. */
export type ProxyEndpointOptions = Omit<ProxyEndpointDeclaration, "authShape">;

/** The parts of a credential, or in their place the name of a secret of the workspace. */
type Credential<Parts extends string> =
  | ({ [Part in Parts]: string } & { secret?: undefined })
  | ({ [Part in Parts]?: undefined } & { secret: string });

export type BearerOptions = ProxyEndpointOptions & Credential<"token">;
export type BasicOptions = ProxyEndpointOptions & Credential<"username" | "password">;
/** `header` is the name of the header. */
export type HeaderOptions = ProxyEndpointOptions & { header: string } & Credential<"value">;
/** `query` is the name of the parameter. */
export type QueryOptions = ProxyEndpointOptions & { query: string } & Credential<"value">;

const factories =
  "ProxyEndpoint.none, ProxyEndpoint.bearer, ProxyEndpoint.basic, ProxyEndpoint.header or ProxyEndpoint.query";

/**
 * An upstream that a run may call by name, with the credential that the gateway spends for it. Made by one of five
 * factories, which throw a `TypeError` for what can be seen to be wrong; the gateway checks the rest. Printing one, or
 * making JSON of it, shows its declaration and never its credential.
 *
 * ```ts
 * ProxyEndpoint.bearer({
 *   name: "github",
 *   baseUrl: "https://api.github.com",
 *   allowMethods: ["GET"],
 *   allowPathPrefixes: ["/repos/"],
 *   token,
 * });
 * ```
 */
export class ProxyEndpoint {
  /** Public: it is part of the run. */
  readonly declaration: ProxyEndpointDeclaration;
  readonly #auth: ProxyEndpointAuth | null;

  private constructor(declaration: ProxyEndpointDeclaration, auth: ProxyEndpointAuth | null) {
    this.declaration = declaration;
    this.#auth = auth;
  }

  /** The credential, as `secrets.proxyEndpointAuth` has it; null for an endpoint without one. */
  get auth(): ProxyEndpointAuth | null {
    return this.#auth;
  }

  /** An upstream that asks for no credential. It is limited and recorded like any other. */
  static none(options: ProxyEndpointOptions): ProxyEndpoint {
    const declaration = declare("none", options, { type: "none" });
    return new ProxyEndpoint(declaration, null);
  }

  /** `Authorization: Bearer <token>`. */
  static bearer(options: BearerOptions): ProxyEndpoint {
    const { token, secret, ...rest } = objectOf("bearer", options);
    const declaration = declare("bearer", rest, { type: "bearer" });
    const auth = credential("bearer", declaration.name, secret, { token });
    return new ProxyEndpoint(declaration, auth);
  }

  /** `Authorization: Basic <username:password>`. A secret of the workspace holds both, with the colon. */
  static basic(options: BasicOptions): ProxyEndpoint {
    const { username, password, secret, ...rest } = objectOf("basic", options);
    const declaration = declare("basic", rest, { type: "basic" });
    const auth = credential("basic", declaration.name, secret, { username, password });
    return new ProxyEndpoint(declaration, auth);
  }

  /** A header of any name, such as `x-api-key`. */
  static header(options: HeaderOptions): ProxyEndpoint {
    const { header, value, secret, ...rest } = objectOf("header", options);
    const name = text("header", "header", header);
    const declaration = declare("header", rest, { type: "header", name });
    const auth = credential("header", declaration.name, secret, { value });
    return new ProxyEndpoint(declaration, auth);
  }

  /** A query parameter. */
  static query(options: QueryOptions): ProxyEndpoint {
    const { query, value, secret, ...rest } = objectOf("query", options);
    const name = text("query", "query", query);
    const declaration = declare("query", rest, { type: "query", name });
    const auth = credential("query", declaration.name, secret, { value });
    return new ProxyEndpoint(declaration, auth);
  }

  /** The declaration alone. */
  toJSON(): ProxyEndpointDeclaration {
    return this.declaration;
  }
}

function objectOf<T extends object>(factory: string, options: T): T {
  if (typeof options === "object" && options !== null) return options;
  throw new TypeError(`ProxyEndpoint.${factory} takes an object of options`);
}

const optional = [
  ...["allowHeaders", "responseMode", "maxRequestBytes", "maxResponseBytes", "timeoutMs"],
  ...["perCallBudget", "responseByteBudget"],
];

function declare(
  factory: string,
  options: ProxyEndpointOptions,
  authShape: ProxyAuthShape,
): ProxyEndpointDeclaration {
  const { name, baseUrl, allowMethods, allowPathPrefixes, ...rest } = objectOf(factory, options);
  // A declaration is public: a credential under another name must not slip into it.
  const unknown = Object.keys(rest).find((field) => !optional.includes(field));
  if (unknown !== undefined) {
    throw wrong(factory, `it does not take ${JSON.stringify(unknown.slice(0, 40))}`);
  }
  const { allowHeaders, responseMode } = rest;
  const carrier = authCarrier(authShape);
  if (allowHeaders !== undefined && !Array.isArray(allowHeaders)) {
    throw wrong(factory, "allowHeaders must be an array of names of headers");
  }
  if (allowHeaders?.some((header) => header.toLowerCase() === carrier)) {
    throw wrong(factory, `allowHeaders must not have "${carrier}": it carries the credential`);
  }
  if (responseMode !== undefined && !proxyResponseModes.includes(responseMode)) {
    const modes = proxyResponseModes.join(", ");
    throw wrong(factory, `responseMode must be one of ${modes}, and is ${shown(responseMode)}`);
  }
  return {
    name: text(factory, "name", name),
    baseUrl: text(factory, "baseUrl", baseUrl),
    authShape,
    allowMethods: list(factory, "allowMethods", allowMethods, "GET"),
    allowPathPrefixes: list(factory, "allowPathPrefixes", allowPathPrefixes, "/v1/"),
    ...rest,
  };
}

/** A value of this run, or a secret of the workspace by its name: exactly one of them, and all of its parts. */
function credential(
  type: "bearer" | "basic" | "header" | "query",
  name: string,
  secret: string | undefined,
  parts: Record<string, string | undefined>,
): ProxyEndpointAuth {
  const names = Object.keys(parts);
  const given = names.filter((part) => parts[part] !== undefined);
  if (secret !== undefined) {
    if (given.length === 0) return { name, secret: text(type, "secret", secret) };
    const both = `${given.join(" and ")} and secret were both given`;
    throw wrong(type, `${both}: give the value of this run, or the name of a secret`);
  }
  for (const part of names) text(type, part, parts[part]);
  return { name, value: { type, ...parts } } as ProxyEndpointAuth;
}

/** Never quotes what it found: it may be a credential in the wrong place. */
function text(factory: string, field: string, value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  throw wrong(factory, `${field} must be a string that is not empty`);
}

function list(factory: string, field: string, value: unknown, example: string): string[] {
  const good = Array.isArray(value) && value.length > 0;
  if (good && value.every((one) => typeof one === "string" && one !== "")) return [...value];
  throw wrong(factory, `${field} must be an array that is not empty, as ["${example}"]`);
}

function wrong(factory: string, message: string): TypeError {
  return new TypeError(`ProxyEndpoint.${factory}: ${message}`);
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : typeof value;
}

/** One of the `proxyEndpoints` of a submission: what a factory made, or a policy as the API has it. */
export type ProxyEndpointSource = ProxyEndpoint | ProxyEndpointDeclaration;

/**
 * Takes endpoints apart into what everybody may read and what nobody may. Throws a `TypeError` that names the place and the
 * five factories for what is neither an instance nor a policy.
 */
export function splitProxyEndpoints(sources: readonly ProxyEndpointSource[]): {
  declarations: ProxyEndpointDeclaration[];
  auth: ProxyEndpointAuth[];
} {
  if (!Array.isArray(sources)) {
    throw new TypeError(
      `proxyEndpoints must be an array of what ${factories} made, or of policies`,
    );
  }
  const auth: ProxyEndpointAuth[] = [];
  const declarations = sources.map((source: unknown, at) => {
    if (source instanceof ProxyEndpoint) {
      if (source.auth !== null) auth.push(source.auth);
      return source.declaration;
    }
    if (typeof source === "object" && source !== null && "authShape" in source) {
      return source as ProxyEndpointDeclaration;
    }
    throw new TypeError(
      `proxyEndpoints[${at}] must be made by ${factories}, or be a policy with an authShape`,
    );
  });
  return { declarations, auth };
}
