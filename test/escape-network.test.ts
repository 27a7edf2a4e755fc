/**
 * The ways out of a run, all tried through the API: TCP, datagrams, names, unix sockets. Judged by
 * counters on the host, each of which is seen to count.
 */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EscapeHost, openEscapeHost } from "./support/escape-host.ts";
import { identities, testsAreRoot } from "./support/escape-identities.ts";
import { type FileCanaries, plantFileCanaries } from "./support/host-canary.ts";
import {
  listenTcp,
  listenUdp,
  listenUnix,
  newAbstractName,
  type SocketCanary,
} from "./support/socket-canary.ts";

const ENETUNREACH = 101;
const ECONNREFUSED = 111;

const python = (source: string) => `python3 - <<'END'\n${source}\nEND\n`;
const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);
/** Addresses that this host has in a network, if it is in one. */
const lanAddresses = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ internal, address }) => !internal && !address.startsWith("fe80:"))
  .map(({ address }) => address);

describe.each(identities)("with the gateway as $name, a run", (identity) => {
  let host: EscapeHost;
  let canaries: FileCanaries;
  let abstract: SocketCanary;
  let tcp: SocketCanary[];
  let udp: SocketCanary[];
  let unix: SocketCanary[];

  beforeAll(async () => {
    canaries = plantFileCanaries(identity);
    const loopbacks = ["127.0.0.1", ...(hasIpv6 ? ["::1"] : [])];
    tcp = await Promise.all(loopbacks.map(listenTcp));
    udp = await Promise.all(loopbacks.map(listenUdp));
    abstract = await listenUnix(newAbstractName());
    host = await openEscapeHost(identity);
    const places = [canaries.openDir, host.gateway.dataDir, ...(testsAreRoot ? ["/run"] : [])];
    const name = `airlock-canary-${process.pid}.sock`;
    unix = await Promise.all(places.map((place) => listenUnix(join(place, name))));
  });
  afterAll(async () => {
    for (const canary of [...tcp, ...udp, ...unix, abstract]) await canary.close();
    await host.close();
    canaries.remove();
  });

  /** Nobody came; and when somebody comes, it is seen. */
  async function expectNoHits(counters: SocketCanary[]): Promise<void> {
    expect(counters.map(({ name, hits }) => [name, hits()])).toEqual(
      counters.map(({ name }) => [name, 0]),
    );
    for (const counter of counters) {
      await counter.touch();
      expect(counter.hits()).toBe(1);
    }
  }

  it("connects to no port of the host, of its network or of a cloud's metadata", async () => {
    const ports = tcp.map(({ port }) => port);
    const gatewayPort = Number(new URL(host.gateway.url).port);
    const far = [...lanAddresses, "169.254.169.254", "fd00:ec2::254", "8.8.8.8", "10.0.0.1"];
    const tries = python(`
import json, socket
def family(address): return socket.AF_INET6 if ":" in address else socket.AF_INET
def connect(address, port):
    with socket.socket(family(address), socket.SOCK_STREAM) as s:
        s.settimeout(2)
        return s.connect_ex((address, port))
answers = {"near": [], "far": []}
for address in ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"]:
    for port in ${JSON.stringify([...ports, gatewayPort])}:
        answers["near"].append(connect(address, port))
for address in ${JSON.stringify(far)}:
    for port in ${JSON.stringify([ports[0], 80, 443])}:
        answers["far"].append(connect(address, port))
print(json.dumps(answers))
for address, port in ${JSON.stringify(tcp.map(({ name, port }) => [name.split(" ")[1], port]))}:
    with socket.create_server((address, port), family=family(address)) as own:
        print("control", connect(address, port))`);
    const tools =
      `for url in ${host.gateway.url}/healthz http://127.0.0.1:${ports[0]} ` +
      "http://example.com; do " +
      "curl -sS -m 2 $url && echo reached; " +
      "git -c http.lowSpeedTime=2 ls-remote $url 2>/dev/null && echo reached; done; " +
      `(exec 3<>/dev/tcp/127.0.0.1/${ports[0]}) 2>/dev/null && echo reached; true`;
    const said = await host.attack([tries, `(${tools}) 2>&1`]);
    const [first = "{}", ...controls] = said.stdout().trim().split("\n");
    const answers = JSON.parse(first) as { near: number[]; far: number[] };
    expect(answers.near.filter((error) => error !== ECONNREFUSED && error !== ENETUNREACH)).toEqual(
      [],
    );
    expect(answers.near).toContain(ECONNREFUSED);
    expect(new Set(answers.far)).toEqual(new Set([ENETUNREACH]));
    // Control: on the very same ports it can talk to itself.
    expect(controls).toEqual(tcp.map(() => "control 0"));
    expect(said.stdout(1)).toContain("curl: ");
    expect(said.stdout(1)).not.toContain("reached");
    await expectNoHits(tcp);
  });

  it("sends no datagram and asks no name server, so that no name can carry data out", async () => {
    const servers = readFileSync("/etc/resolv.conf", "utf8").matchAll(/^nameserver\s+(\S+)/gm);
    const hosts = [...servers].map((match) => match[1]).filter((one) => !one?.startsWith("127."));
    const near = udp.map(({ name, port }) => [name.split(" ")[1], port]);
    const far = [...hosts, ...lanAddresses, "8.8.8.8", "224.0.0.251"].map((one) => [one, 53]);
    const tries = python(`
import json, socket
query = bytes.fromhex("1234010000010000000000000663616e61727904746573740000010001")
def send(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        try: s.sendto(query, (address, port))
        except OSError as error: return error.errno
        return 0
for address, port in ${JSON.stringify(near)}: send(address, port)
print(json.dumps([send(address, port) for address, port in ${JSON.stringify(far)}]))
for name in ("canary.example.test", "example.com", "gateway.local"):
    try: print(socket.getaddrinfo(name, 80))
    except OSError: pass
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
    own.bind(("127.0.0.1", ${udp[0]?.port}))
    send("127.0.0.1", ${udp[0]?.port})
    print("control", len(own.recv(100)))`);
    const tools =
      "getent hosts canary.example.test; getent ahosts example.com; ping -c1 -W1 8.8.8.8";
    const said = await host.attack([tries, `(${tools}) >/dev/null 2>&1; getent hosts localhost`]);
    const [first = "[]", ...rest] = said.stdout().trim().split("\n");
    const errors = new Set(JSON.parse(first) as number[]);
    expect(errors).toEqual(new Set([ENETUNREACH]));
    expect(rest).toEqual(["control 29"]);
    expect(said.stdout(1)).toContain("localhost");
    await expectNoHits(udp);
  });

  it("reaches no abstract socket of the host", async () => {
    const name = abstract.path.slice(1);
    const existing = readFileSync("/proc/net/unix", "utf8")
      .split("\n")
      .map((line) => line.split(/\s+/)[7] ?? "")
      .filter((path) => path.startsWith("@"));
    expect(existing).toContain(`@${name}`);
    const tries = python(`
import socket
for name in ${JSON.stringify([name, ...existing.map((one) => one.slice(1))])}:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as s:
            if s.connect_ex("\\0" + name) == 0: print("reached", name)
print(len(open("/proc/net/unix").read().splitlines()))
with socket.socket(socket.AF_UNIX) as own, socket.socket(socket.AF_UNIX) as other:
    own.bind("\\0${name}")
    own.listen()
    print("control", other.connect_ex("\\0${name}"))`);
    const said = await host.attack([tries]);
    // Control: in its own network the very same name is free, and leads to itself.
    expect(said.stdout()).toBe("1\ncontrol 0\n");
    await expectNoHits([abstract]);
  });

  it("finds no socket of the host below /run, or wherever else one lies", async () => {
    const listed = readFileSync("/proc/net/unix", "utf8")
      .split("\n")
      .map((line) => line.split(/\s+/)[7] ?? "")
      .filter((path) => path.startsWith("/"));
    const known = [
      "docker.sock",
      "containerd/containerd.sock",
      "dbus/system_bus_socket",
      "snapd.socket",
    ];
    const paths = new Set([
      ...listed,
      ...known.map((one) => `/run/${one}`),
      "/var/run/docker.sock",
    ]);
    const tries = python(`
import os, socket
for path in ${JSON.stringify([...paths])}:
    for way in ("", "/proc/1/root", "/proc/self/cwd/.."):
        if os.path.lexists(way + path): print("there", way + path)
        with socket.socket(socket.AF_UNIX) as s:
            try:
                if s.connect_ex(way + path) == 0: print("reached", path)
            except OSError: pass
print(os.listdir("/run"), os.path.lexists("/var/run"))
with socket.socket(socket.AF_UNIX) as own, socket.socket(socket.AF_UNIX) as other:
    own.bind("/run/own.sock")
    own.listen()
    print("control", other.connect_ex("/run/own.sock"))`);
    const said = await host.attack([tries]);
    expect(said.stdout()).toBe("[] False\ncontrol 0\n");
    expect(listed).toEqual(expect.arrayContaining(unix.map(({ path }) => path)));
    await expectNoHits(unix);
  });
});
