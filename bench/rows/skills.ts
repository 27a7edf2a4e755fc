import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundleLimits } from "../../src/contract/bundle.ts";
import { AirlockClient, type BundleFiles, Skill } from "../../src/sdk/sdk.ts";
import type { Bench, Group } from "../group.ts";
import { interleave, quantile, shownQuantiles, timed } from "../measure.ts";
import { atMost, type Row } from "../row.ts";
import { serve } from "../serve.ts";

const name = "thousand";
/** About what a page of notes has. */
const fileBytes = 2048;

/** A skill of as many files as there may be, which the workspace has already: published again, as every build does. */
export const skillsRows: Group = {
  name: "skills",
  async run(bench: Bench): Promise<Row[]> {
    const gateway = await serve({
      dataDir: bench.newDirectory("skills"),
      scripts: { none: { turns: [] } },
    });
    const files = sampleFiles();
    const dir = writeFiles(bench.newDirectory("skills-source"), files);
    const wire = { requests: 0, bytes: 0 };
    const client = openClient(gateway, wire);
    try {
      const first = await publish(client, dir);
      wire.requests = 0;
      wire.bytes = 0;
      const contentHash = first.contentHash ?? "";
      const variants = [
        { name: "publish", once: () => timed(() => publish(client, dir)) },
        // The same without reading: what is left is checking and hashing.
        { name: "hash", once: () => timed(() => Skill.fromFiles({ name, files })) },
        { name: "ask", once: () => timed(() => client.skills.findByHash({ name, contentHash })) },
      ];
      const samples = await interleave(variants, bench.quick ? 5 : 60);
      const [published = [], hashed = [], asked = []] = variants.map((one) =>
        samples.get(one.name),
      );
      return rowsOf({ published, hashed, asked, wire });
    } finally {
      await gateway.stop();
    }
  },
};

interface Measured {
  published: readonly number[];
  hashed: readonly number[];
  asked: readonly number[];
  wire: { requests: number; bytes: number };
}

function rowsOf({ published, hashed, asked, wire }: Measured): Row[] {
  const total = quantile(published, 0.5);
  return [
    {
      ...{ name: "skills.unchanged", unit: "ms", target: atMost(250) },
      what: `uploadIfChanged of an unchanged skill of ${bundleLimits.files} files, read from the disk, p50`,
      value: total,
      detail: `${shownQuantiles(published)}; the look-up at the gateway ${shownQuantiles(asked)}`,
    },
    {
      ...{ name: "skills.hashing", unit: "%", target: null },
      what: "The share of it that is spent checking and hashing its files",
      value: (100 * quantile(hashed, 0.5)) / total,
      detail: `from memory: ${shownQuantiles(hashed)}`,
    },
    {
      ...{ name: "skills.sent", unit: "bytes", target: atMost(0) },
      what: "Bytes of bodies that all of these sent",
      value: wire.bytes,
      // Without a request that was counted, none would have been sent in any case.
      isFair: wire.requests >= published.length,
      detail: `${wire.requests} requests`,
    },
  ];
}

async function publish(client: AirlockClient, dir: string): Promise<Skill> {
  const draft = await Skill.fromPath(dir, { name });
  return await draft.uploadIfChanged(client);
}

/** A client whose bodies are counted. */
function openClient(
  { url, token }: { url: string; token: string },
  wire: { requests: number; bytes: number },
): AirlockClient {
  return new AirlockClient({
    ...{ token, baseUrl: url },
    fetch: async (input, init) => {
      wire.requests += 1;
      if (init?.body) wire.bytes += (await new Response(init.body).blob()).size;
      return fetch(input, init);
    },
  });
}

/** Every file has bytes of its own. */
function sampleFiles(): BundleFiles {
  const files: Record<string, string> = { "SKILL.md": "# A skill of a thousand files\n" };
  for (let index = 1; index < bundleLimits.files; index++) {
    const path = `references/${index % 20}/page-${index}.md`;
    files[path] = `# Page ${index}\n`.repeat(200).slice(0, fileBytes);
  }
  return files;
}

function writeFiles(dir: string, files: BundleFiles): string {
  for (const [path, content] of Object.entries(files)) {
    const at = join(dir, path);
    mkdirSync(join(at, ".."), { recursive: true });
    writeFileSync(at, content as string);
  }
  return dir;
}
