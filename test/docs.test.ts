/** Every code block of the documents is run here, or is what another test runs: a reader can type in what is shown. */
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunRef } from "../src/sdk/sdk.ts";
import { clientOf } from "./support/airlock-api.ts";
import { type Documentation, type Meanwhile, openDocumentation } from "./support/documentation.ts";
import type { Call, Part } from "./support/documentation-model.ts";
import { type Block, blocksOf, documents, elsewhere, leftOf, pathOf } from "./support/documents.ts";
import { openGitUpstream } from "./support/git-upstream.ts";
import { type McpTestServer, openMcpServer } from "./support/mcp-server.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { tempDirUntilExit } from "./support/temp-dir.ts";
import { openUpstream, type Upstream } from "./support/upstream.ts";

const root = new URL("../", import.meta.url).pathname;
const shownIn = (document: string) => blocksOf(readFileSync(join(root, pathOf(document)), "utf8"));

/** Where packages come from may be a mirror inside of this network. */
const mirrors = (process.env.AIRLOCK_PRIVATE_HOSTS ?? "").split(/[\s,]+/).filter(Boolean);
const registries = [...mirrors, "pypi.org", "files.pythonhosted.org"].join(",");

/** Followed from the first block to the last, and by which test. */
const followed: Record<string, string> = {
  "sdk.md": "sdk-guide.test.ts",
  "cli.md": "cli-guide.test.ts",
  ...Object.fromEntries(
    [
      ...["README.md", "agents.md", "approvals.md", "budgets.md", "build-network.md"],
      ...["credentials.md", "http.md", "interactions.md", "layers.md", "mcp.md", "operating.md"],
      ...["proxy-endpoints.md", "quickstart.md", "runs.md", "script-agents.md", "security.md"],
      ...["performance.md", "skills.md"],
    ].map((name) => [name, "docs.test.ts"]),
  ),
};

describe("a block of a document", () => {
  it.each(documents())("is followed or run by another test in %s", (document) => {
    const blocks = shownIn(document);
    const fences = readFileSync(join(root, pathOf(document)), "utf8").match(/^[ >]*(```|~~~)/gm);
    expect(blocks.length, "blocks that are fenced in a way that is not read").toBe(
      (fences?.length ?? 0) / 2,
    );
    for (const block of blocks) {
      const left = leftOf(document, block).text.trim();
      const isDone = followed[document] !== undefined && canBeFollowed(block, blocks);
      expect({ line: block.line, left: isDone ? "" : left }).toEqual({
        line: block.line,
        left: "",
      });
    }
  });

  it("that another test runs is there, and so is the test", () => {
    for (const { document, lines, language, nth, test } of elsewhere) {
      const shown = shownIn(document).filter(
        (block) =>
          (language ?? block.language) === block.language && (nth ?? block.nth) === block.nth,
      );
      const found = shown.some(({ text }) => text.split("\n").some((line) => lines.test(line)));
      expect({ document, lines, found }).toEqual({ document, lines, found: true });
      expect(existsSync(join(root, "test", test)), test).toBe(true);
    }
    for (const [document, test] of Object.entries(followed)) {
      const text = readFileSync(join(root, "test", test), "utf8");
      expect(text).toContain(`"${document}"`);
    }
  });
});

/** What is neither typed in nor checked is of use to the reader only as a file that another block goes on with. */
function canBeFollowed({ language, label, file, line }: Block, blocks: Block[]): boolean {
  if (["sh", "ts", "json"].includes(language) || label === "inside") return true;
  const [first = ""] = file?.split("/") ?? [];
  return first !== "" && blocks.some((one) => one.line !== line && one.text.includes(first));
}

describe("a reader who does what a guide shows", () => {
  it.each(["quickstart.md", "runs.md", "security.md", "http.md"])(
    "gets through docs/%s",
    async (name) => {
      const reader = await openDocumentation({ env: { AIRLOCK_PRIVATE_HOSTS: registries } });
      try {
        await reader.follow(name);
        await allCameTo(reader);
      } finally {
        await reader.close();
      }
    },
    300_000,
  );

  it("gets through docs/skills.md, to the file that the catalogue's program has made", async () => {
    const upstream = await openUpstream((_, response) => {
      const products = ["Oslo", "Bergen", "Voss"].map((name) => ({ name, price: 12 }));
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ products }));
    });
    const search =
      '/airlock/skills/catalogue/bin/catalogue search "garden chair" --to /workspace/out/chairs.json';
    const reader = await openDocumentation({
      parts: [{ prompt: "Find garden chairs", commands: [search] }],
      env: { AIRLOCK_PRIVATE_HOSTS: upstream.host },
      variables: { CATALOGUE_URL: upstream.url },
    });
    try {
      symlinkSync(join(root, "examples"), join(reader.dir, "examples"));
      await reader.follow("skills.md");
      await allCameTo(reader);
      const asked = upstream.arrived.map(({ headers }) => headers.authorization);
      expect(asked).toEqual(["Bearer catalogue-token-1"]);
      const said = JSON.stringify(reader.model.requests);
      expect(said).toContain("chairs.json");
      expect(said).not.toContain("catalogue-token-1");
    } finally {
      await reader.close();
      await upstream.close();
    }
  }, 300_000);
});

describe("a reader of the other documents, with one gateway for all", () => {
  const parts: Part[] = [...people(), ...remote(), ...layered()];
  let reader: Documentation;
  let tickets: McpTestServer;
  let upstream: Upstream;
  let other: StartedGateway;

  beforeAll(async () => {
    const repository = openGitUpstream(tempDirUntilExit("repository"), "one report\n", "reports");
    upstream = await openUpstream((request, response) => {
      if (request.url.startsWith("/team/")) return repository.answer(request, response);
      response.writeHead(200, { "content-type": "application/json" }).end('{"data":[]}');
    });
    tickets = await openMcpServer({
      token: "tickets-token-5519",
      tools: [{ name: "list_open" }, { name: "close_ticket" }],
    });
    other = await startGateway();
    reader = await openDocumentation({
      parts,
      env: { AIRLOCK_PRIVATE_HOSTS: `${registries},${upstream.host},${tickets.host}` },
      addresses: {
        "https://mcp.tickets.example/mcp": tickets.url,
        "https://api.stripe.com": upstream.url,
        "https://other.example": other.url,
        '"files.pythonhosted.org"': ["files.pythonhosted.org", ...mirrors]
          .filter((host) => !host.includes("/"))
          .map((host) => JSON.stringify(host))
          .join(", "),
      },
    });
    await reader.sh("TOKEN=$AIRLOCK_TOKEN");
    symlinkSync(join(root, "agents"), join(reader.dir, "agents"));
  }, 180_000);
  afterAll(async () => {
    const { runs } = await clientOf(reader.gateway).listRuns({ status: ["running", "waiting"] });
    for (const { id } of runs)
      await clientOf(reader.gateway).run(id).stop({ reason: "The reader leaves" });
    await reader.close();
    for (const one of [upstream, tickets]) await one?.close();
    await other?.stop();
  });

  let count = 0;
  /** A run of the reader's, whose model does its part for the prompt. */
  const submit = (prompt: string, more: object = {}): Promise<RunRef> =>
    clientOf(reader.gateway).submitRun({
      ...{ model: "claude-sonnet-5", prompt: `${prompt} ${++count}` },
      ...more,
    });
  const asking = async () => {
    const run = await submit("Fetch number");
    await untilEvent(run, "approval.requested");
    const { approvals } = await clientOf(reader.gateway).approvals.list({ status: "pending" });
    return approvals.find(({ runId }) => runId === run.id)?.id ?? "";
  };
  const asksStation = async () => {
    const agent = { id: "asker", instructions: "Ask.", capabilities: [] };
    const run = await submit("Which station", { agent });
    await untilEvent(run, "wait.started");
    const { interactions } = await clientOf(reader.gateway).interactions.list({
      status: "pending",
    });
    return interactions.find(({ runId }) => runId === run.id)?.id ?? "";
  };
  const put = (files: Record<string, string>) => reader.save(files);

  it.each(["budgets.md", "build-network.md", "operating.md", "performance.md"])(
    "gets through docs/%s",
    (name) => reader.follow(name),
    180_000,
  );

  it("gets through README.md", async () => {
    put({
      ".local/share/airlock/admin-token": reader.gateway.token,
      "sales.csv": "amount\n1\n2\n",
    });
    await reader.follow("README.md");
    await allCameTo(reader);
  }, 180_000);

  it("gets through docs/approvals.md, with questions to answer and a run to stop", async () => {
    const capabilities = [{ type: "CodeExecution", patterns: ["*"] }];
    put({
      "coder.json": JSON.stringify({ instructions: "Write code.", capabilities }),
      "main.py": "print('hello')\n",
    });
    let stopped: RunRef | undefined;
    await reader.follow("approvals.md", {
      before: async ({ text }) => {
        if (text.includes("$APPROVAL")) return { APPROVAL: await asking(), OTHER: await asking() };
        if (!text.includes("airlock stop")) return undefined;
        stopped = await submit("Sleep");
        await untilEvent(stopped, "call.started");
        return { RUN: stopped.id };
      },
    });
    expect(await stopped?.wait()).toMatchObject({ status: "terminated" });
    const { approvals } = await clientOf(reader.gateway).approvals.list();
    const answers = approvals.map(({ status, revokedAt }) => [status, revokedAt !== null]);
    expect(answers.sort()).toEqual([
      ["approved", false],
      ["approved", true],
      ["denied", false],
      ["denied", false],
    ]);
  }, 180_000);

  it("gets through docs/interactions.md, with questions to answer and a run to fork", async () => {
    await reader.follow("interactions.md", {
      before: async ({ text }) => {
        if (text.includes("$QUESTION")) {
          return { QUESTION: await asksStation(), OTHER: await asksStation() };
        }
        if (!text.includes("airlock fork")) return undefined;
        const run = await submit("Take four turns");
        await run.wait();
        return { RUN: run.id };
      },
    });
    const { interactions } = await clientOf(reader.gateway).interactions.list({
      status: "answered",
    });
    const answers = interactions.map(
      ({ answerOptionId, answerText }) => answerOptionId ?? answerText,
    );
    expect(answers.sort()).toEqual(["The one in Bern", "bern", "bern", "bern"]);
  }, 180_000);

  it("gets through docs/credentials.md, with a password store", async () => {
    const key = "sk_test_51H8exampleKey";
    put({
      "key.txt": `${key}1\n`,
      "new-key.txt": `${key}2\n`,
      "value.json": JSON.stringify({ value: `${key}3` }),
      "client.key": `${key}4\n`,
      "run.json": JSON.stringify({ model: "claude-sonnet-5", prompt: "Say hello" }),
      "stripe.json": JSON.stringify({
        ...{ name: "stripe", baseUrl: "https://api.stripe.com", authShape: { type: "bearer" } },
        ...{ allowMethods: ["GET"], allowPathPrefixes: ["/v1/charges"] },
      }),
    });
    await reader.sh(
      `printf '#!/bin/sh\\necho ${key}5\\n' >.bin/pass; chmod +x .bin/pass; DB_PASSWORD=${key}6; STRIPE_KEY=${key}7`,
    );
    await reader.follow("credentials.md");
    await reader.sh("unset STRIPE_KEY DB_PASSWORD");
  }, 180_000);

  it("gets through docs/agents.md and docs/script-agents.md, to what the scripts say", async () => {
    await reader.follow("agents.md");
    await reader.follow("script-agents.md");
    const { runs } = await clientOf(reader.gateway).listRuns();
    for (const { id } of runs.slice(0, 3)) await clientOf(reader.gateway).wait(id);
    const replies = await Promise.all(
      runs.slice(0, 3).map(async ({ id }) => (await clientOf(reader.gateway).run(id).get()).reply),
    );
    expect(replies.sort()).toEqual([
      "It is fine in Ghent",
      "The record is abc",
      "The record is abc",
    ]);
  }, 180_000);

  it("gets through docs/mcp.md, and the ticket that a person said yes to is closed", async () => {
    put({ "token.txt": "tickets-token-5519\n" });
    await reader.follow("mcp.md", {
      before: async ({ text }) => {
        if (!text.includes("$APPROVAL")) return undefined;
        const [run] = (await clientOf(reader.gateway).listRuns()).runs;
        const ref = clientOf(reader.gateway).run(run?.id ?? "");
        await untilEvent(ref, "approval.requested");
        const { approvals } = await clientOf(reader.gateway).approvals.list({ status: "pending" });
        return { APPROVAL: approvals.find(({ runId }) => runId === ref.id)?.id ?? "" };
      },
    });
    const [run] = (await clientOf(reader.gateway).listRuns()).runs;
    expect(await clientOf(reader.gateway).wait(run?.id ?? "")).toMatchObject({
      status: "succeeded",
    });
    expect(tickets.calls.map(({ tool }) => tool)).toEqual(["list_open", "close_ticket"]);
  }, 180_000);

  it("gets through docs/proxy-endpoints.md, outside and inside of a sandbox", async () => {
    const endpoint = (name: string) => ({
      ...{ name, baseUrl: upstream.url, authShape: { type: "none" as const } },
      ...{ allowMethods: ["GET", "POST"], allowPathPrefixes: ["/"], responseMode: "full" as const },
    });
    const proxyEndpoints = ["stripe", "git", "tickets", "files"].map(endpoint);
    put({ "key.txt": "sk_test_51H8exampleKey1\n" });
    const environment = { packages: [{ name: "pip:requests" }] };
    const files = [{ path: "ticket.json", content: '{"title":"Login"}' }];
    const meanwhile: Meanwhile = {
      before: async ({ text }) => {
        if (!text.includes("/proxy/stripe")) return undefined;
        const run = await submit("Sleep", { proxyEndpoints: proxyEndpoints.slice(0, 1) });
        await untilEvent(run, "call.started");
        return { RUN: run.id };
      },
      inside: async ({ language, text }) => {
        const shell = `set -eu; cd /workspace; curl() { command curl -f "$@"; }\n${text}`;
        const command = language === "sh" ? shell : `python3 - <<'END'\n${text}END\n`;
        parts.unshift({ prompt: `Inside ${count + 1}`, commands: [command] });
        const run = await submit("Inside", { proxyEndpoints, environment, files });
        expect(await run.wait()).toMatchObject({ status: "succeeded" });
        expect(await resultsOf(reader.gateway, run.id)).toMatchObject([{ ok: true, exit_code: 0 }]);
      },
    };
    await reader.follow("proxy-endpoints.md", meanwhile);
    const paths = upstream.arrived.map(({ method, url }) => `${method} ${url}`);
    for (const path of [
      ...["GET /v1/charges", "GET /v1/charges?limit=100", "POST /v1/tickets"],
      ...["GET /v1/report.pdf", "POST /team/reports.git/git-upload-pack"],
    ]) {
      expect(paths).toContain(path);
    }
    const authorizations = upstream.arrived.map(({ headers }) => headers.authorization);
    expect(authorizations).toContain("Bearer sk_test_51H8exampleKey1");
  }, 180_000);

  it("gets through docs/layers.md, from the first installation to another machine", async () => {
    put({
      "requirements.txt": "requests==2.32.3\n",
      "main.py": "import sys, requests\nprint(requests.__version__, *sys.argv[1:])\n",
    });
    await reader.follow("layers.md", {
      before: async ({ text }) => {
        if (text.includes("other.example")) return { OTHER_TOKEN: other.token };
        if (!text.includes("$LAYER")) return undefined;
        const [run] = (await clientOf(reader.gateway).listRuns()).runs;
        const ended = await clientOf(reader.gateway).wait(run?.id ?? "");
        expect(ended).toMatchObject({ status: "succeeded" });
        const results = await resultsOf(reader.gateway, ended.id);
        expect(results.map(({ ok }) => ok)).toEqual(results.map(() => true));
        expect(JSON.stringify(results.slice(-3))).toContain("2.32.3 --year 2026");
        const [layer] = (await clientOf(reader.gateway).layers.list()).layers.filter(
          ({ name }) => name === "venv",
        );
        return { LAYER: layer?.id ?? "", DIGEST: layer?.digest ?? "" };
      },
    });
    const { layers } = await clientOf(other).layers.list();
    expect(layers).toMatchObject([{ name: "deps" }]);
    // Nobody builds the Dockerfile here: what it says of the image is held against the image.
    const { config } = JSON.parse(
      await reader.sh("skopeo inspect --config oci-archive:report.tar"),
    ) as { config: { Entrypoint: string[]; Env: string[] } };
    const docker = shownIn("layers.md").find(({ language }) => language === "dockerfile")?.text;
    expect(docker).toContain(
      `ENTRYPOINT ${JSON.stringify(config.Entrypoint).replace(",", ", ")}\n`,
    );
    const paths = config.Env.find((one) => one.startsWith("PYTHONPATH="))
      ?.slice(11)
      .split(":");
    expect(paths).toContain(/^ENV PYTHONPATH=(.*)$/m.exec(docker ?? "")?.[1]);
  }, 180_000);
});

/** The parts of models whose runs wait for somebody. */
function people(): Part[] {
  const options = [
    { id: "bern", label: "The one in Bern" },
    { id: "rome", label: "The one in Rome" },
  ];
  const question: Call = { tool: "user_ask", arguments: { question: "Which station?", options } };
  const fetching = (said: string): Call => {
    const number = /Fetch number (\d+)/.exec(said)?.[1];
    const command = `curl -sS https://airlock-test.invalid/${number}; sleep 30`;
    return { tool: "sandbox_exec", arguments: { command } };
  };
  return [
    { prompt: "Fetch number", commands: [fetching] },
    { prompt: "Which station", commands: [question] },
    { prompt: "Take four turns", commands: ["echo 1", "echo 2", "echo 3"] },
    { prompt: "Sleep", commands: ["sleep 60"] },
  ];
}

/** Those of runs that use what others serve. */
function remote(): Part[] {
  const ask = (tool: string, args: object): Call => ({ tool, arguments: args });
  const charges = "mkdir -p out; curl -sSf http://stripe.proxy/v1/charges";
  return [
    {
      prompt: "Which of our open tickets",
      commands: [ask("mcp_tickets_list_open", {}), ask("mcp_tickets_close_ticket", { id: 17 })],
    },
    {
      prompt: "List this month's failed charges",
      commands: [
        `mkdir -p /workspace/out; curl -sSf http://stripe.proxy/v1/charges >/workspace/out/failed.csv`,
      ],
    },
    { prompt: "How many charges failed", commands: [charges] },
  ];
}

/** The calls of docs/layers.md, as they stand there; ids are those of the calls before. */
function layered(): Part[] {
  const calls = shownIn("layers.md").filter(({ language }) => language === "json");
  const write = (name: string): Call => ({
    tool: "content_write",
    arguments: {
      name,
      content:
        name === "main.py"
          ? "import sys, requests\nprint(requests.__version__, *sys.argv[1:])\n"
          : "requests==2.32.3\n",
    },
  });
  const asShown = ({ label = "", text }: Block) => {
    return (said: string): Call => {
      const [layer = ""] = /layer_[0-9a-f]{32}/.exec(said) ?? [];
      const [digest = ""] = new RegExp(`sha256:${layer.slice(6)}[0-9a-f]{32}`).exec(said) ?? [];
      const [ref = ""] = /ar\.[0-9a-f]{24}/.exec(said) ?? [];
      const real = text
        .replaceAll(/layer_[0-9a-f]{32}/g, layer)
        .replaceAll(/sha256:[0-9a-f]{64}/g, digest)
        .replaceAll(/ar\.[0-9a-f]{24}/g, ref);
      return { tool: label, arguments: JSON.parse(real) };
    };
  };
  return [
    {
      prompt: "Install requirements.txt as a layer",
      commands: [write("requirements.txt"), write("main.py"), ...calls.map(asShown)],
    },
  ];
}

/** The runs of a guide succeed, and those that ask for files get some: a guide does not show what does not work. */
async function allCameTo({ gateway }: Documentation): Promise<void> {
  const client = clientOf(gateway);
  for await (const { id } of client.runs()) {
    const { status, submission } = await client.wait(id);
    expect({ id, status }).toEqual({ id, status: "succeeded" });
    if (submission.outputDirs === undefined) continue;
    expect(await client.outputs(id), submission.prompt.join()).not.toEqual([]);
  }
}
