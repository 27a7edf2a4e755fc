/** Durable steps in a server of its own that calls a service back: each step is in its log before the next begins. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http2";
import { createRequire } from "node:module";
import { createServer as createTcpServer } from "node:net";
import { dirname, join } from "node:path";
import * as restate from "@restatedev/restate-sdk";

export async function open({ directory }) {
  const steps = restate.service({
    name: "steps",
    handlers: {
      run: async (ctx, count) => {
        for (let step = 0; step < count; step++) await ctx.run("step", () => step);
      },
    },
  });
  const endpoint = createServer(
    restate.createEndpointHandler({ services: [steps], logger: () => {} }),
  );
  endpoint.listen(0, "127.0.0.1");
  await once(endpoint, "listening");
  const [admin, ingress, node] = await freePorts(3);
  const server = startServer(directory, { admin, ingress, node });
  const close = async () => {
    const gone = once(server, "exit");
    server.kill("SIGTERM");
    await gone;
    endpoint.close();
  };
  try {
    await answers(`http://127.0.0.1:${admin}/health`, server);
    await post(`http://127.0.0.1:${admin}/deployments`, {
      uri: `http://127.0.0.1:${endpoint.address().port}`,
    });
    await answers(`http://127.0.0.1:${ingress}/restate/health`, server);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async run(runs, stepsEach) {
      const url = `http://127.0.0.1:${ingress}/steps/run`;
      await Promise.all(Array.from({ length: runs }, () => post(url, stepsEach)));
    },
    close,
  };
}

function startServer(directory, { admin, ingress, node }) {
  const require = createRequire(import.meta.url);
  const name = `@restatedev/restate-server-linux-${process.arch}`;
  const binary = join(dirname(require.resolve(`${name}/package.json`)), "bin/restate-server");
  return spawn(binary, ["--base-dir", directory], {
    stdio: "ignore",
    env: {
      PATH: process.env.PATH,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
      RESTATE_LOG_FILTER: "error",
      RESTATE_DISABLE_TELEMETRY: "true",
    },
  });
}

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createTcpServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => server.address().port);
  for (const server of servers) server.close();
  return ports;
}

async function answers(url, server) {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (server.exitCode !== null) throw new Error(`restate-server ended with ${server.exitCode}`);
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`restate-server does not answer at ${url}`);
}

async function post(url, body) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  await response.arrayBuffer();
}
