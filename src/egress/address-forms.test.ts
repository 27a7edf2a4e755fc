import { afterEach, describe, expect, it } from "vitest";

import { Problem } from "../contract/problem.ts";
import { addressForms, allAddressForms } from "./address-forms.testing.ts";
import { allowList } from "./allow-list.ts";
import { checkUpstreamUrl } from "./check-url.ts";
import { parseTarget } from "./host-name.ts";
import { openNameSink } from "./name-sink.testing.ts";
import { resolveTarget } from "./resolve.ts";
import { UpstreamRefused } from "./upstream-refused.ts";
import { ask, openUpstreamTests } from "./upstreams.testing.ts";

const { open, http, closeAfter, close } = openUpstreamTests();
afterEach(close);

const count = allAddressForms.length;

/** A name server that gives every name 127.0.0.1, where a host listens: what slips through arrives there. */
async function trap() {
  const names = await openNameSink(() => ["127.0.0.1", "::1"]);
  closeAfter(() => names.close());
  const host = await http((_asked, answer) => answer.end("reached"));
  return { names, host };
}

describe(`${count} forms of hosts that are not of the public internet`, () => {
  it("are at least 120", () => {
    expect(count).toBeGreaterThanOrEqual(120);
  });

  it.each(Object.entries(addressForms))("are refused at submission: %s (H10)", (_name, forms) => {
    const admitted = forms.filter((form) => isAdmitted(`https://${form}/v1`));
    expect(admitted).toEqual([]);
    expect(isAdmitted("https://api.example.com/v1")).toBe(true);
  });

  it("are refused at the connection: none arrives, none is looked up, and a listed one does (H10, H23)", async () => {
    const { names, host } = await trap();
    const { resolver } = names;
    const { upstreams } = open({ privateHosts: [`listed.test:${host.port}`], resolver });
    let dialled = 0;
    const slipped: unknown[] = [];
    for (const form of allAddressForms) {
      for (const scheme of ["http", "https"]) {
        for (const url of [`${scheme}://${form}:${host.port}/`, `${scheme}://${form}/`]) {
          if (!URL.canParse(url)) continue;
          // To a URL a backslash is a slash, and the rest a path of a public host; only the text can be refused.
          if (form === "api.example.com\\@127.0.0.1") continue;
          dialled++;
          const came = await ask(upstreams, url).catch((error: unknown) => error);
          const isRefused = came instanceof UpstreamRefused && came.isFinal;
          if (!isRefused) slipped.push([url, came]);
        }
      }
    }
    expect(slipped).toEqual([]);
    expect(dialled).toBeGreaterThan(400);
    expect(names.asked).toEqual([]);
    expect(host.connections()).toBe(0);
    const { body } = await ask(upstreams, `http://listed.test:${host.port}/`);
    expect(body).toBe("reached");
    expect(host.connections()).toBe(1);
    expect(new Set(names.asked)).toEqual(new Set(["A listed.test", "AAAA listed.test"]));
  });

  it("are refused by the hosts of builds and by the parser of the proxy, without a lookup (H10, H11)", async () => {
    const { names } = await trap();
    const signal = AbortSignal.timeout(10_000);
    const slipped: unknown[] = [];
    for (const form of allAddressForms) {
      const target = parseTarget(`${form}:443`);
      if (target === undefined) continue;
      const listing = allowList(["api.example.com", "*.example.com"]);
      const unlisted = await resolveTarget(target, listing, names.resolver, signal);
      if (unlisted.ok) slipped.push([form, "unlisted"]);
      if (target.host.kind === "name") continue;
      // Listed for the run, and by no operator.
      const any = allowList(["*", target.host.kind === "ipv6" ? `[${target.host.text}]` : form]);
      const listed = await resolveTarget(target, any, names.resolver, signal);
      if (listed.ok || listed.reason !== "private_address") slipped.push([form, listed]);
    }
    expect(slipped).toEqual([]);
    expect(names.asked).toEqual([]);
  });
});

function isAdmitted(url: string): boolean {
  try {
    checkUpstreamUrl("baseUrl", url, []);
    return true;
  } catch (error) {
    if (error instanceof Problem && error.code === "invalid_request") return false;
    throw error;
  }
}
