/** docs/proxy-endpoints.md and docs/credentials.md tell people what protects a credential; it is held against the code. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { limits } from "../src/base/limits.ts";
import { proxyErrorCodes, proxyErrorStatus, proxyOutcomes } from "../src/contract/proxy-call.ts";
import {
  ProxyEndpointPolicy,
  proxyEndpointDefaults,
  proxyMethods,
  reservedEndpointNames,
} from "../src/contract/proxy-endpoint.ts";
import { encodings } from "../src/egress/encodings.ts";
import { headersToSend, proxyUserAgent } from "../src/egress/proxy-headers.ts";
import { methodToSend } from "../src/egress/proxy-method.ts";
import { isBelow, pathToSend } from "../src/egress/proxy-path.ts";
import { checkQuery } from "../src/egress/proxy-query.ts";
import { runFileNames } from "../src/sandbox/run-files.ts";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const endpoints = read("docs/proxy-endpoints.md");
const credentials = read("docs/credentials.md");
const words = (text: string) => text.replaceAll(/\s+/g, " ");
const MiB = 1024 ** 2;

describe("docs/proxy-endpoints.md", () => {
  it("has a row for every member of a policy, with its default and what it may be", () => {
    const rows = new Map(
      [...endpoints.matchAll(/^\| `(\w+)` \|([^|]*)\| (.*) \|$/gm)].map(
        ([, name = "", given = "", said = ""]) => [name, { given: given.trim(), said }],
      ),
    );
    const members = Object.keys(ProxyEndpointPolicy.shape);
    expect([...rows.keys()].filter((name) => members.includes(name))).toEqual(members);
    const { maxRequestBytes, maxResponseBytes, timeoutMs, perCallBudget, responseByteBudget } =
      proxyEndpointDefaults;
    const given = Object.fromEntries([...rows].map(([name, row]) => [name, row.given]));
    expect(given).toMatchObject({
      responseMode: `\`${proxyEndpointDefaults.responseMode}\``,
      maxRequestBytes: `${maxRequestBytes / 1024} KiB`,
      maxResponseBytes: `${maxResponseBytes / MiB} MiB`,
      timeoutMs: timeoutMs.toLocaleString("en"),
      perCallBudget: String(perCallBudget),
      responseByteBudget: `${responseByteBudget / MiB} MiB`,
    });
    const most = (name: keyof typeof ProxyEndpointPolicy.shape, value: number) => {
      const schema = ProxyEndpointPolicy.shape[name];
      return [schema.safeParse(value).success, schema.safeParse(value + 1).success];
    };
    expect(most("maxRequestBytes", 64 * MiB)).toEqual([true, false]);
    expect(most("maxResponseBytes", 8 * 1024 * MiB)).toEqual([true, false]);
    expect(most("timeoutMs", 600_000)).toEqual([true, false]);
    expect(rows.get("allowMethods")?.said).toContain(proxyMethods.join(" "));
    for (const name of reservedEndpointNames) {
      expect(rows.get("name")?.said).toContain(`\`${name}\``);
    }
    expect(limits.proxyRequestBytes).toBe(64 * MiB);
    for (const said of [
      `ends at ${limits.proxyEnvelopeBytes / MiB} MiB`,
      `the same refusal ${limits.egressSameDenials} times, ${limits.egressDenials} in all`,
    ]) {
      expect(words(endpoints)).toContain(said);
    }
  });

  it("says of paths, methods and queries what the proxy does", () => {
    const prefixes = (prefix: string, path: string) => isBelow(path, prefix);
    expect(prefixes("/v1", "/v1") && prefixes("/v1", "/v1/charges")).toBe(true);
    expect(prefixes("/v1", "/v10") || prefixes("/v1", "/V1")).toBe(false);
    expect(prefixes("/v1/", "/v1/x") && !prefixes("/v1/", "/v1")).toBe(true);
    const policy = { baseUrl: "https://api.example.org/v2", allowPathPrefixes: ["/"] };
    expect(pathToSend(policy, "/users/7")).toBe("/v2/users/7");
    const refused = ["/a/../b", "/./a", "//a", "/a\\b", "/%2e", "/%2F", "/%5c", "/%00", "/%252e"];
    for (const path of [...refused, "a", "/a?b", "/a#b", "/a b", "/%", "/%ff", "/%0a"]) {
      expect(() => pathToSend(policy, path), path).toThrow();
    }
    expect(() => methodToSend({ allowMethods: ["GET"] }, "get")).toThrow();
    const query = { type: "query", name: "key" } as const;
    for (const text of ["key=x", "_method=DELETE"]) {
      expect(() => checkQuery(query, text), text).toThrow();
    }
    expect(() => checkQuery(query, "limit=100")).not.toThrow();
  });

  it("names the headers that always pass, and no other passes unless it is listed", () => {
    const said = /These always go to the upstream: ([\s\S]*?); beside/.exec(endpoints)?.[1] ?? "";
    const always = [...said.matchAll(/`([\w-]+)`/g)].map(([, name = ""]) => name);
    expect(always.length).toBe(11);
    const others = ["authorization", "cookie", "host", "x-forwarded-for", "x-api-key", "x-trace"];
    const sent = (allowHeaders: string[]) =>
      headersToSend(
        { authShape: { type: "none" }, allowHeaders },
        [...always, ...others, "x-http-method-override"].map((name) => [name, "x"]),
      ).map(([name]) => name);
    expect(sent([])).toEqual(always);
    expect(sent(others)).toEqual([...always, "x-trace"]);
    const bare = headersToSend({ authShape: { type: "none" }, allowHeaders: [] }, []);
    expect(bare).toEqual([["user-agent", proxyUserAgent]]);
    expect(endpoints).toContain(`\`${proxyUserAgent}\``);
  });

  it("has a row for every error, with its status, and for every outcome", () => {
    const rows = [...endpoints.matchAll(/^\| `(\w+)` \| (\d{3}) \|/gm)];
    const told = Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]));
    expect(told).toEqual(proxyErrorStatus);
    expect(rows.map(([, code]) => code).sort()).toEqual([...proxyErrorCodes].sort());
    for (const outcome of proxyOutcomes) expect(endpoints).toContain(`\n| \`${outcome}\` | `);
  });
});

describe("docs/credentials.md", () => {
  it("names every spelling that is looked for, and how long an old value is", () => {
    const said = /^raw, json, .*\.$/m.exec(credentials)?.[0] ?? "";
    expect(said.replace(/\.$/, "").split(", ")).toEqual(encodings.map(({ name }) => name));
    const days = limits.secretMaskedMs / (24 * 60 * 60_000);
    expect(words(credentials)).toContain(`cut out of everything for ${days} days`);
    expect(words(credentials)).toContain(`also the values before, for ${days} days`);
    const values = limits.workspaceSecretValues.toLocaleString("en");
    expect(words(credentials)).toContain(
      `at most ${limits.workspaceSecrets} secrets, and ${values} values that are spent or still cut out, ${limits.workspaceSecretBytes / MiB} MiB in all`,
    );
  });

  it("names the file of the canary as it is inside", () => {
    for (const name of runFileNames) {
      expect(`${endpoints}${credentials}`).toContain(`\`/airlock/${name}\``);
    }
  });

  it("names variables that the gateway reads", () => {
    const config = read("src/base/config.ts");
    for (const [, name = ""] of credentials.matchAll(/^\| `(AIRLOCK_\w+)` \|/gm)) {
      expect(config).toContain(name);
    }
  });
});
