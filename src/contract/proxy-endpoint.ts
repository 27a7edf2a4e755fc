import { z } from "zod";
import { SecretName, SecretValue } from "./secret.ts";

/**
 * A proxy endpoint: one upstream that a run may call through the gateway, by name, under this policy. The credential is
 * spent by the gateway and never in the sandbox. The policy is part of the submission and of its hash; the credential
 * is not.
 */

/** The protocol spoken at `…/proxy/<endpoint>`, in the header `x-airlock-proxy-protocol` (or `x-antpath-…`). */
export const proxyProtocolVersion = "1";

export const proxyMethods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] as const;
export type ProxyMethod = (typeof proxyMethods)[number];

/** From the least that comes back to the most; a caller may only narrow. */
export const proxyResponseModes = ["status_only", "headers_only", "full"] as const;
export const ProxyResponseMode = z.enum(proxyResponseModes);
export type ProxyResponseMode = z.infer<typeof ProxyResponseMode>;

/** Names that would be taken for a part of an address. */
export const reservedEndpointNames = ["proxy", "airlock", "antpath", "internal", "admin"] as const;

export const ProxyEndpointName = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,62}$/,
    "expected a lower-case letter, then letters, digits, - or _, at most 63 in all",
  )
  .refine((name) => !(reservedEndpointNames as readonly string[]).includes(name), "is reserved")
  .meta({ id: "ProxyEndpointName" });

/** A header name of RFC 9110, section 5.6.2 (`token`). */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HeaderName = z.string().max(64).regex(token, "expected the name of a header");

/** The gateway writes these itself: a second one would give the message another end or another address. */
const messageHeaders: ReadonlySet<string> = new Set([
  ...["host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer"],
  ...["upgrade", "expect", "proxy-connection"],
]);
const CredentialHeader = HeaderName.refine((name) => !messageHeaders.has(name.toLowerCase()), {
  error: "is a header of the message itself, and cannot carry a credential",
});

/** How the credential travels to the upstream. `none`: there is none, and the endpoint is still limited and audited. */
export const ProxyAuthShape = z
  .discriminatedUnion("type", [
    z.strictObject({ type: z.literal("none") }),
    z.strictObject({ type: z.literal("bearer") }),
    z.strictObject({ type: z.literal("basic") }),
    z.strictObject({ type: z.literal("header"), name: CredentialHeader }),
    z.strictObject({
      type: z.literal("query"),
      name: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, "expected letters, digits, _, - or ."),
    }),
  ])
  .meta({ id: "ProxyAuthShape" });
export type ProxyAuthShape = z.infer<typeof ProxyAuthShape>;

/** Never taken from a caller: they decide who speaks, to whom, or how the message is framed. */
export const refusedCallerHeaders: ReadonlySet<string> = new Set([
  ...["authorization", "cookie", "set-cookie", "proxy-authorization", "host", "content-length"],
  ...["transfer-encoding", "connection", "upgrade", "expect", "x-forwarded-for"],
  ...["x-forwarded-host", "x-forwarded-proto", "x-real-ip"],
]);

const unique = (list: string[]) => [...new Set(list)];
const positive = (max: number) => z.int().min(1).max(max);
const MiB = 1024 * 1024;

const BaseUrl = z
  .string()
  .max(2048)
  .refine((text) => URL.canParse(text), "expected an absolute URL")
  .refine((text) => /^https?:\/\//i.test(text), "expected https://")
  .refine((text) => !/[\s\\]/.test(text), "must not contain white space or a backslash")
  .refine((text) => {
    const { username, password } = urlOf(text);
    return username === "" && password === "";
  }, "must not contain user information: give the credential as proxyEndpointAuth")
  .refine((text) => !text.includes("?") && !text.includes("#"), "must not have a query or fragment")
  .refine(
    (text) => !/%2e|%2f|%5c|%00|\/\.\.?(\/|$)/i.test(text),
    "must not contain . or .. segments",
  )
  .overwrite((text) => {
    const { origin, pathname } = urlOf(text);
    return origin + pathname.replace(/\/+$/, "");
  });

function urlOf(text: string): URL {
  return URL.canParse(text) ? new URL(text) : new URL("invalid:");
}

const PathPrefix = z
  .string()
  .max(512)
  .regex(/^\/[\x21-\x7e]*$/, "expected a path that starts with /, in printable ASCII")
  .refine((path) => !path.includes("..") && !/%2e%2e/i.test(path), "must not contain ..")
  .refine((path) => !/[\\?#]|\/\/|%(2e|2f|5c|00|25)/i.test(path), {
    error: "must not contain \\, ?, #, // or an encoded ., /, \\, % or NUL",
  });

/**
 * What an endpoint lets through. Methods are compared in upper case, header names in lower case. A prefix that ends in
 * `/` is everything below it; any other is itself, and what is below it as a directory: `/v1` is not `/v10`.
 */
export const ProxyEndpointPolicy = z
  .strictObject({
    name: ProxyEndpointName,
    baseUrl: BaseUrl.describe(
      "https://host[:port][/path]; http:// only for a host that the operator lists as private",
    ),
    authShape: ProxyAuthShape,
    allowMethods: z
      .array(
        z
          .string()
          .overwrite((method) => method.toUpperCase())
          .pipe(z.enum(proxyMethods)),
      )
      .min(1)
      .max(16)
      .overwrite((list) => [...new Set(list)]),
    allowPathPrefixes: z.array(PathPrefix).min(1).max(64).overwrite(unique),
    allowHeaders: z
      .array(HeaderName.overwrite((name) => name.toLowerCase()))
      .max(64)
      .overwrite(unique)
      .optional()
      .describe("Request headers that a caller may set beside accept and content-type"),
    responseMode: ProxyResponseMode.optional().describe("Default headers_only"),
    maxRequestBytes: positive(64 * MiB)
      .optional()
      .describe("Default 64 KiB"),
    maxResponseBytes: positive(8 * 1024 * MiB)
      .optional()
      .describe("Of one answer; default 1 MiB"),
    timeoutMs: positive(600_000).optional().describe("Of one call; default 10 s"),
    perCallBudget: positive(1_000_000).optional().describe("Calls in one run; default 60"),
    responseByteBudget: positive(2 ** 40)
      .optional()
      .describe("Bytes of all answers in one run; default 1 MiB"),
  })
  .superRefine((policy, check) => {
    const carrier = authCarrier(policy.authShape);
    for (const [at, name] of (policy.allowHeaders ?? []).entries()) {
      const why = refusedCallerHeaders.has(name)
        ? "is never taken from a caller"
        : name === carrier
          ? "carries the credential"
          : undefined;
      if (why === undefined) continue;
      check.addIssue({
        code: "custom",
        path: ["allowHeaders", at],
        message: `${JSON.stringify(name)} ${why}`,
      });
    }
  })
  .meta({ id: "ProxyEndpointPolicy" });
export type ProxyEndpointPolicy = z.infer<typeof ProxyEndpointPolicy>;

/** The header in which the credential travels, lower-case; undefined when it is in none. */
export function authCarrier(shape: ProxyAuthShape): string | undefined {
  if (shape.type === "header") return shape.name.toLowerCase();
  return shape.type === "bearer" || shape.type === "basic" ? "authorization" : undefined;
}

/** A policy with every cap as a number, as the manifest of a run shows it. */
export type WholeProxyEndpoint = {
  [Key in keyof ProxyEndpointPolicy]-?: Exclude<ProxyEndpointPolicy[Key], undefined>;
};

export const proxyEndpointDefaults = {
  allowHeaders: [] as string[],
  responseMode: "headers_only",
  maxRequestBytes: 64 * 1024,
  maxResponseBytes: MiB,
  timeoutMs: 10_000,
  perCallBudget: 60,
  responseByteBudget: MiB,
} as const satisfies Partial<ProxyEndpointPolicy>;

/** Fills in the defaults. */
export function wholeProxyEndpoint(policy: ProxyEndpointPolicy): WholeProxyEndpoint {
  const given = Object.fromEntries(
    Object.entries(policy).filter(([, value]) => value !== undefined),
  ) as ProxyEndpointPolicy;
  return { ...proxyEndpointDefaults, ...given } as WholeProxyEndpoint;
}

/** What means the same is written the same: lists in order, the header's name in lower case, no default said. */
export function plainProxyEndpoint(policy: ProxyEndpointPolicy): ProxyEndpointPolicy {
  const { authShape, allowMethods, allowPathPrefixes, allowHeaders = [] } = policy;
  const plain = {
    ...policy,
    authShape:
      authShape.type === "header"
        ? { ...authShape, name: authShape.name.toLowerCase() }
        : authShape,
    allowMethods: [...allowMethods].sort(),
    allowPathPrefixes: [...allowPathPrefixes].sort(),
    allowHeaders: [...allowHeaders].sort(),
  };
  const defaults: Record<string, unknown> = proxyEndpointDefaults;
  const says = ([name, value]: [string, unknown]) =>
    value !== undefined && JSON.stringify(value) !== JSON.stringify(defaults[name]);
  return Object.fromEntries(Object.entries(plain).filter(says)) as ProxyEndpointPolicy;
}

/** The credential of one endpoint: a value of this run only, or a secret of the workspace by its name. */
export const ProxyAuthValue = z
  .discriminatedUnion("type", [
    z.strictObject({ type: z.literal("bearer"), token: SecretValue }),
    z.strictObject({
      type: z.literal("basic"),
      username: z
        .string()
        .min(1)
        .max(1024)
        .regex(/^[^:\0-\x1f\x7f]*$/, {
          error: "must not contain a colon or control characters",
        }),
      password: SecretValue,
    }),
    z.strictObject({ type: z.literal("header"), value: SecretValue }),
    z.strictObject({ type: z.literal("query"), value: SecretValue }),
  ])
  .meta({ id: "ProxyAuthValue" });
export type ProxyAuthValue = z.infer<typeof ProxyAuthValue>;

export const ProxyEndpointAuth = z
  .union([
    z.strictObject({ name: ProxyEndpointName, value: ProxyAuthValue }),
    z.strictObject({
      name: ProxyEndpointName,
      secret: SecretName.describe(
        "A secret of the workspace, spent in the endpoint's own shape; for basic it is user:password",
      ),
    }),
  ])
  .meta({ id: "ProxyEndpointAuth" });
export type ProxyEndpointAuth = z.infer<typeof ProxyEndpointAuth>;

export interface ProxyAuthProblem {
  /** `proxyEndpoints[i]` or `secrets.proxyEndpointAuth[i]`, as zod spells a path. */
  path: (string | number)[];
  message: string;
}

/**
 * Holds endpoints and credentials against each other: names are unique, every endpoint but those of shape `none` has
 * exactly one credential of its own shape, `none` has none, and no credential is left over. Empty: all is well. Works in
 * browsers, and is what the gateway itself asks.
 */
export function validateProxyAuth(
  endpoints: readonly { name: string; authShape: { type: string } }[],
  auth: readonly ({ name: string } & ({ value: { type: string } } | { secret: string }))[] = [],
): ProxyAuthProblem[] {
  const problems: ProxyAuthProblem[] = [];
  const say = (list: "proxyEndpoints" | "proxyEndpointAuth", at: number, message: string) =>
    problems.push({
      path: list === "proxyEndpoints" ? [list, at] : ["secrets", list, at],
      message,
    });
  const shapes = new Map<string, string>();
  for (const [at, { name, authShape }] of endpoints.entries()) {
    if (shapes.has(name)) say("proxyEndpoints", at, `${JSON.stringify(name)} is declared twice`);
    shapes.set(name, authShape.type);
  }
  const given = new Set<string>();
  for (const [at, one] of auth.entries()) {
    const shape = shapes.get(one.name);
    const name = JSON.stringify(one.name);
    if (given.has(one.name)) say("proxyEndpointAuth", at, `${name} has a credential already`);
    given.add(one.name);
    if (shape === undefined) {
      say("proxyEndpointAuth", at, `there is no proxy endpoint ${name}`);
    } else if (shape === "none") {
      say(
        "proxyEndpointAuth",
        at,
        `the endpoint ${name} has the shape none and takes no credential`,
      );
    } else if ("value" in one && one.value.type !== shape) {
      say(
        "proxyEndpointAuth",
        at,
        `expected a value of type ${shape} for ${name}, not ${one.value.type}`,
      );
    }
  }
  for (const [at, { name, authShape }] of endpoints.entries()) {
    if (authShape.type === "none" || given.has(name)) continue;
    const wanted = `secrets.proxyEndpointAuth must have one of type ${authShape.type}`;
    say("proxyEndpoints", at, `${JSON.stringify(name)} has no credential: ${wanted}`);
  }
  return problems;
}
