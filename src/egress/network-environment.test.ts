/** Ordinary clients in a network namespace of their own, with a server that writes down what reaches it. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { inside } from "../../test/support/behind-relay.ts";

const folder = mkdtempSync(join(tmpdir(), "airlock-clients-"));
let server: Server;
let heard: string[] = [];

beforeAll(async () => {
  server = createServer((request, answer) => {
    heard.push(`${request.method} ${request.url}`);
    answer.end("served");
  });
  // What wants a tunnel to an endpoint gets none, and is told apart from what asks for it by name.
  server.on("connect", ({ method, url }, socket) => {
    heard.push(`${method} ${url}`);
    socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  });
  await new Promise<void>((done) => server.listen(join(folder, "proxy.sock"), done));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

async function ask(script: string): Promise<{ said: string; heard: string[] }> {
  heard = [];
  const said = await inside(folder, script);
  return { said: said.trim(), heard };
}

const target = "http://tick_et-s.proxy/v1/a?b=c";
const python = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

it.each([
  ["curl", `curl -sS -m 10 '${target}'`],
  ["Node's fetch", `"$NODE" -e 'fetch("${target}").then((r) => r.text()).then(console.log)'`],
  ["Node's http", `"$NODE" -e 'require("http").get("${target}", (r) => r.pipe(process.stdout))'`],
  [
    "Python's urllib",
    `${python} -c 'import urllib.request as u; print(u.urlopen("${target}").read().decode())'`,
  ],
  [
    "Python's requests",
    `${python} -c 'from pip._vendor import requests; print(requests.get("${target}").text)'`,
  ],
])("%s asks the relay for an endpoint by its name, unchanged", async (_, script) => {
  expect(await ask(script)).toEqual({ said: "served", heard: [`GET ${target}`] });
});

it("git asks the relay for an endpoint by its name, unchanged", async () => {
  const { heard: asked } = await ask("git ls-remote http://git.proxy/team/repo.git; true");
  expect(asked[0]).toBe("GET http://git.proxy/team/repo.git/info/refs?service=git-upload-pack");
});

it("what listens inside is reached directly, by every client", async () => {
  const listener = `require("http").createServer((q, a) => a.end("own\\n")).listen(8123, "127.0.0.1",
    () => console.log("up"))`;
  const { said, heard: asked } = await ask(`cd /dev/shm
    "$NODE" -e '${listener}' >up & while [ ! -s up ]; do sleep 0.05; done
    for host in 127.0.0.1 localhost; do curl -sS http://$host:8123/; done
    "$NODE" -e 'fetch("http://127.0.0.1:8123/").then((r) => r.text()).then((t) => console.log(t.trim()))'
    ${python} -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8123/").read().decode(), end="")'
    ${python} -c 'from pip._vendor import requests; print(requests.get("http://127.0.0.1:8123/").text, end="")'
    kill %1 2>/dev/null; true`);
  expect(said).toBe("own\nown\nown\nown\nown");
  expect(asked).toEqual([]);
});
