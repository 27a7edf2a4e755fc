/** Endpoints as programs declare them: what is seen to be wrong at once, and where the credential goes and does not go. */
import { inspect } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { openFrontDoor } from "../../test/support/front-door.ts";
import { newId } from "../contract/ids.ts";
import {
  AirlockClient,
  AirlockError,
  ProxyEndpoint,
  type ProxyEndpointOptions,
  type ProxyEndpointSource,
  type SubmitOptions,
  validateProxyAuth,
} from "./sdk.ts";

const canary = `sk_${newId("token")}`;
const common: ProxyEndpointOptions = {
  ...{ name: "stripe", baseUrl: "https://api.stripe.com" },
  ...{ allowMethods: ["GET"], allowPathPrefixes: ["/v1/charges"] },
};
const policy = { ...common, authShape: { type: "bearer" } } as const;
const factories = {
  none: () => ProxyEndpoint.none(common),
  bearer: () => ProxyEndpoint.bearer({ ...common, token: canary }),
  basic: () => ProxyEndpoint.basic({ ...common, username: "user", password: canary }),
  header: () => ProxyEndpoint.header({ ...common, header: "X-Api-Key", value: canary }),
  query: () => ProxyEndpoint.query({ ...common, query: "key", value: canary }),
};

/** A gateway that takes what it is sent, as its own schemas understand it. */
async function openGateway() {
  const door = openFrontDoor();
  const server = await door.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close(0));
  const client = new AirlockClient({ token: door.token().secret, baseUrl: server.url });
  const submit = (options: Partial<SubmitOptions>) =>
    client.submitRun({ model: "scripted/x", prompt: "hello", ...options });
  return { door, submit };
}

function thrown(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("Nothing was thrown");
}

describe("an endpoint", () => {
  it.each([
    ["none", { type: "none" }, null],
    ["bearer", { type: "bearer" }, { type: "bearer", token: canary }],
    ["basic", { type: "basic" }, { type: "basic", username: "user", password: canary }],
    ["header", { type: "header", name: "X-Api-Key" }, { type: "header", value: canary }],
    ["query", { type: "query", name: "key" }, { type: "query", value: canary }],
  ] as const)("of %s has a public half and a secret one", (type, authShape, value) => {
    const endpoint = factories[type]();
    expect(endpoint.declaration).toEqual({ ...common, authShape });
    expect(endpoint.auth).toEqual(value && { name: "stripe", value });
    const shown = [
      JSON.stringify({ endpoint }),
      inspect(endpoint, { depth: 9, showHidden: true }),
      String(endpoint),
      JSON.stringify({ ...endpoint }),
    ];
    for (const text of shown) expect(text).not.toContain(canary);
    expect(JSON.parse(JSON.stringify(endpoint))).toEqual(endpoint.declaration);
  });

  it("takes the name of a secret of the workspace in place of a value", () => {
    const auth = { name: "stripe", secret: "STRIPE_KEY" };
    const named = { ...common, secret: "STRIPE_KEY" };
    expect(ProxyEndpoint.bearer(named).auth).toEqual(auth);
    expect(ProxyEndpoint.basic(named).auth).toEqual(auth);
    expect(ProxyEndpoint.header({ ...named, header: "x-key" }).auth).toEqual(auth);
    expect(ProxyEndpoint.query({ ...named, query: "key" }).auth).toEqual(auth);
  });

  it("is refused at once for what can be seen to be wrong, in words that name it and quote no credential", () => {
    const bearer = (more: object) => () =>
      ProxyEndpoint.bearer({ ...common, token: canary, ...more } as never);
    const wrong: [() => unknown, RegExp][] = [
      [() => ProxyEndpoint.none(undefined as never), /ProxyEndpoint\.none takes an object/],
      [() => ProxyEndpoint.bearer("x" as never), /ProxyEndpoint\.bearer takes an object/],
      [bearer({ name: "" }), /name must be a string that is not empty/],
      [bearer({ baseUrl: undefined }), /baseUrl must be a string/],
      [bearer({ token: "" }), /token must be a string/],
      [bearer({ token: [canary] }), /token must be a string/],
      [bearer({ token: undefined, secret: "" }), /secret must be a string/],
      [bearer({ secret: "KEY" }), /token and secret were both given/],
      [bearer({ password: canary }), /it does not take "password"/],
      [bearer({ allowMethods: [] }), /allowMethods must be an array that is not empty/],
      [bearer({ allowPathPrefixes: "/v1" }), /allowPathPrefixes must be an array/],
      [bearer({ responseMode: "json" }), /responseMode must be one of .*, and is "json"/],
      [bearer({ allowHeaders: ["AUTHORIZATION"] }), /"authorization": it carries the credential/],
      [bearer({ allowHeaders: "x-a" }), /allowHeaders must be an array/],
      [() => ProxyEndpoint.none({ ...common, token: canary } as never), /does not take "token"/],
      [
        () => ProxyEndpoint.basic({ ...common, username: "", password: canary }),
        /username must be a string/,
      ],
      [
        () =>
          ProxyEndpoint.header({
            ...{ ...common, header: "X-Key", value: canary },
            allowHeaders: ["x-KEY"],
          }),
        /"x-key": it carries the credential/,
      ],
      [() => ProxyEndpoint.query({ ...common, query: "", value: canary }), /query must be a/],
    ];
    for (const [work, message] of wrong) {
      const error = thrown(work);
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toMatch(message);
      expect(inspect(error)).not.toContain(canary);
    }
    expect(bearer({})).not.toThrow();
  });
});

describe("submitting with endpoints", () => {
  it("sends policies with the run and credentials with its secrets", async () => {
    const { door, submit } = await openGateway();
    const other = { ...policy, name: "other" };
    await submit({
      proxyEndpoints: [
        factories.bearer(),
        ProxyEndpoint.none({ ...common, name: "open" }),
        other,
        ProxyEndpoint.query({ ...common, name: "named", query: "key", secret: "MAPS_KEY" }),
      ],
      secrets: {
        openai: { apiKey: "sk-openai-0123456789" },
        proxyEndpointAuth: [{ name: "other", value: { type: "bearer", token: `${canary}2` } }],
      },
    });
    const { submission } = door.submitted[0] ?? {};
    expect(submission?.proxyEndpoints?.map(({ name }) => name)).toEqual(
      ["stripe", "open", "other", "named"], // As they were given.
    );
    expect(submission?.secrets).toEqual({
      openai: { apiKey: "sk-openai-0123456789" },
      proxyEndpointAuth: [
        { name: "stripe", value: { type: "bearer", token: canary } },
        { name: "named", secret: "MAPS_KEY" },
        { name: "other", value: { type: "bearer", token: `${canary}2` } },
      ],
    });
    const { secrets: _, ...open } = submission ?? {};
    expect(JSON.stringify(open)).not.toContain(canary);
  });

  it("lets the credential of an instance win over an explicit one of its name", async () => {
    const { door, submit } = await openGateway();
    const explicit = {
      name: "stripe",
      value: { type: "bearer", token: "an-older-token" },
    } as const;
    await submit({
      proxyEndpoints: [factories.bearer()],
      secrets: { proxyEndpointAuth: [explicit] },
    });
    expect(door.submitted[0]?.submission.secrets?.proxyEndpointAuth).toEqual([
      { name: "stripe", value: { type: "bearer", token: canary } },
    ]);
  });

  it("needs no secrets for endpoints that have none", async () => {
    const { door, submit } = await openGateway();
    await submit({ proxyEndpoints: [factories.none()] });
    expect(door.submitted[0]?.submission.secrets).toBeUndefined();
  });

  it("sends nothing when something is wrong with them", async () => {
    const { door, submit } = await openGateway();
    const auth = { name: "stripe", value: { type: "basic", username: "u", password: canary } };
    const wrong: [Partial<SubmitOptions>, new (...args: never[]) => Error, RegExp][] = [
      [
        { proxyEndpoints: ["stripe" as never] },
        TypeError,
        /proxyEndpoints\[0\].*\.none, .*\.bearer, .*\.basic, .*\.header or .*\.query/,
      ],
      [{ proxyEndpoints: [factories.none(), null as never] }, TypeError, /proxyEndpoints\[1\]/],
      [{ proxyEndpoints: [{ name: "stripe", value: {} } as never] }, TypeError, /authShape/],
      [{ proxyEndpoints: factories.none() as never }, TypeError, /must be an array/],
      [
        { proxyEndpoints: [factories.none(), factories.bearer()] },
        AirlockError,
        /proxyEndpoints\[1\]: "stripe" is declared twice/,
      ],
      [
        { proxyEndpoints: [factories.bearer()], secrets: { proxyEndpointAuth: [auth as never] } },
        AirlockError,
        /the credential of "stripe" is of type basic, and the endpoint itself .* of type bearer/,
      ],
      [{ proxyEndpoints: [policy] }, AirlockError, /"stripe" has no credential/],
      [
        { secrets: { proxyEndpointAuth: [auth as never] } },
        AirlockError,
        /there is no proxy endpoint "stripe"/,
      ],
      [
        { proxyEndpoints: [{ ...policy, baseUrl: "ftp://x" }] },
        AirlockError,
        /proxyEndpoints\[0\]\.baseUrl: expected https/,
      ],
      [
        { proxyEndpoints: [ProxyEndpoint.bearer({ ...common, token: "short" })] },
        AirlockError,
        /token: expected 8 to/,
      ],
    ];
    for (const [options, kind, message] of wrong) {
      const error = await submit(options).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error, String(message)).toBeInstanceOf(kind);
      expect((error as Error).message).toMatch(message);
      expect(inspect(error)).not.toContain(canary);
    }
    expect(door.submitted).toEqual([]);
  });
});

describe("validateProxyAuth", () => {
  it("knows endpoints without a credential, and says what is missing, left over or of another type", () => {
    const sources: ProxyEndpointSource[] = [factories.none(), { ...policy, name: "other" }];
    const declared = sources.map((one) => (one instanceof ProxyEndpoint ? one.declaration : one));
    expect(validateProxyAuth([factories.none().declaration])).toEqual([]);
    expect(validateProxyAuth(declared, [{ name: "stripe", secret: "KEY" }])).toEqual([
      expect.objectContaining({ path: ["secrets", "proxyEndpointAuth", 0] }),
      expect.objectContaining({ path: ["proxyEndpoints", 1] }),
    ]);
  });
});
