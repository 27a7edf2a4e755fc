/**
 * The build network with the resolver that a gateway really has, against a name server and a host that are the only ones
 * in the world: what is asked of it, what is believed of its answers, and who is met in the end.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EgressAllowed, EgressDenied } from "../src/egress/egress.ts";

const script = resolve(import.meta.dirname, "support/small-internet.ts");
const folder = mkdtempSync(join(tmpdir(), "airlock-names-"));

interface Said {
  asked: string[];
  heard: string[];
  allowed: EgressAllowed[];
  denied: EgressDenied[];
  /** Connections that the host has seen, and the bytes that came with them. */
  met: number;
  received: number;
}

interface World {
  hosts: string[];
  privateHosts?: string[];
  limits?: { connectMs: number };
  bytes: string[];
}

beforeAll(() => {
  writeFileSync(
    join(folder, "resolv.conf"),
    "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
  );
  writeFileSync(join(folder, "nsswitch.conf"), "hosts: files dns\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

function inSmallInternet(world: World): Said {
  const at = (name: string) => realpathSync(`/etc/${name}`);
  const args = [
    ...["--unshare-user", "--unshare-net", "--unshare-pid", "--die-with-parent"],
    ...[
      "--cap-add",
      "CAP_NET_BIND_SERVICE",
      "--cap-add",
      "CAP_NET_ADMIN",
      "--dev-bind",
      "/",
      "/",
      "--proc",
      "/proc",
    ],
    ...["--ro-bind", join(folder, "resolv.conf"), at("resolv.conf")],
    ...["--ro-bind", join(folder, "nsswitch.conf"), at("nsswitch.conf")],
    ...[process.execPath, script, JSON.stringify(world)],
  ];
  return JSON.parse(execFileSync("bwrap", args, { encoding: "utf8", timeout: 50_000 }));
}

const tunnel = (host: string, then = "") => `CONNECT ${host} HTTP/1.1\r\nHost: x\r\n\r\n${then}`;
const reasons = (said: Said) => said.denied.map(({ host, reason }) => `${host} ${reason}`);

describe("names, with a name server that counts", () => {
  it("that are not listed are never asked of it", () => {
    const said = inSmallInternet({
      hosts: ["public.test"],
      bytes: [
        tunnel("unlisted.test:443"),
        tunnel("data-that-would-leave.unlisted.test:443"),
        tunnel("public.test:22"),
        "GET http://unlisted.test/ HTTP/1.1\r\nHost: public.test\r\nConnection: close\r\n\r\n",
        tunnel("public.test:443"),
      ],
    });
    expect(said.asked.sort()).toEqual(["A public.test", "AAAA public.test"]);
    expect(reasons(said)).toEqual([
      "unlisted.test not_listed",
      "data-that-would-leave.unlisted.test not_listed",
      "public.test not_listed",
      "unlisted.test not_listed",
      // There is no way to it from here: it was let through.
      "public.test unreachable",
    ]);
  });

  it("that change to an address of this machine between two connections are refused", () => {
    const bytes = [tunnel("rebind.test:443"), tunnel("rebind.test:443")];
    const said = inSmallInternet({ hosts: ["rebind.test"], bytes });
    expect(reasons(said)).toEqual(["rebind.test unreachable", "rebind.test private_address"]);
    // Once for each: a second look-up is what a name that changes waits for.
    expect(said.asked.filter((each) => each.startsWith("A "))).toHaveLength(2);
    expect(said.met).toBe(0);
  });

  it("that are an alias of an inner one, or have one inner address among others, are refused", () => {
    const said = inSmallInternet({
      hosts: ["*", "mixed.test", "alias.test", "local.test"],
      bytes: [tunnel("mixed.test:443"), tunnel("alias.test:443"), tunnel("local.test:443")],
    });
    expect(reasons(said)).toEqual([
      "mixed.test private_address",
      "alias.test private_address",
      "local.test private_address",
    ]);
    expect(said.heard.join("")).toContain('list "alias.test" in AIRLOCK_PRIVATE_HOSTS');
    expect(said.met).toBe(0);
  });

  it("of this machine's own public address are refused, and so is that address", () => {
    const said = inSmallInternet({
      hosts: ["*", "own.test", "199.7.83.42"],
      bytes: [tunnel("own.test:443"), tunnel("199.7.83.42:443"), tunnel("93.184.216.34:443")],
    });
    expect(reasons(said)).toEqual([
      "own.test private_address",
      "199.7.83.42 private_address",
      "93.184.216.34 unreachable",
    ]);
    expect(said.met).toBe(0);
  });

  it("that nobody answers for end in time, and those that are not there are told apart", () => {
    const said = inSmallInternet({
      ...{ hosts: ["silent.test", "nowhere.test"], limits: { connectMs: 300 } },
      bytes: [tunnel("silent.test:443"), tunnel("nowhere.test:443")],
    });
    expect(reasons(said)).toEqual(["silent.test timed_out", "nowhere.test not_found"]);
    expect(said.heard[0]).toMatch(/^HTTP\/1\.1 504 /);
    expect(said.heard[1]).toMatch(/^HTTP\/1\.1 502 /);
  });

  it("that the operator listed are met, and port 443 of them takes TLS and nothing else", () => {
    const said = inSmallInternet({
      ...{ hosts: ["local.test"], privateHosts: ["local.test"] },
      bytes: [tunnel("local.test:443", "GET / HTTP/1.1\r\n\r\n")],
    });
    expect(reasons(said)).toEqual(["local.test not_tls"]);
    expect([said.met, said.received, said.allowed]).toEqual([1, 0, []]);
  });
});
