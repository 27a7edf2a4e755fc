/** The documents of Airlock, their blocks, and which test does what a block shows when the reader of docs.test.ts does not. */
import { readdirSync } from "node:fs";

const root = new URL("../../", import.meta.url);

export interface Block {
  language: string;
  /** The word after the language. */
  label: string | undefined;
  /** The file that the reader is told to save it as. */
  file: string | undefined;
  text: string;
  line: number;
  /** Which one of its language in its document, from 0. */
  nth: number;
}

/** The fenced blocks of a document. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  const fence = /^```(\w*)(?: (\S+))?\n([\s\S]*?)^```$/gm;
  for (const { 1: language = "", 2: label, 3: text = "", index } of markdown.matchAll(fence)) {
    const nth = blocks.filter((one) => one.language === language).length;
    const file = label?.includes(".") === true ? label : undefined;
    const line = markdown.slice(0, index).split("\n").length;
    blocks.push({ language, label, file, text, line, nth });
  }
  return blocks;
}

/** All documents, as tests name them. */
export function documents(): string[] {
  const inDocs = readdirSync(new URL("docs/", root), { recursive: true }).map(String);
  return ["README.md", ...inDocs.filter((name) => name.endsWith(".md")).sort()];
}

/** Its path from the root of the repository. */
export const pathOf = (document: string): string =>
  document === "README.md" ? document : `docs/${document}`;

interface Elsewhere {
  document: string;
  /** The lines that are run there. */
  lines: RegExp;
  /** Default: of every language. */
  language?: string;
  nth?: number;
  test: string;
}

/** What another test runs or holds against what is there, or what tells the reader to run that very test. */
export const elsewhere: readonly Elsewhere[] = [
  { document: "README.md", lines: /^npm run demo( |$)|^ +# then packages/, test: "demo.test.ts" },
  { document: "README.md", lines: /^npm run demo:agents/, test: "founding-story.test.ts" },
  { document: "README.md", lines: /^npm test/, test: "docs.test.ts" },
  { document: "quickstart.md", lines: /^npm install @airlock\/sdk$/, test: "sdk-package.test.ts" },
  { document: "sdk.md", lines: /^npm install @airlock\/sdk/, test: "sdk-package.test.ts" },
  { document: "agents.md", language: "text", lines: /^/, test: "agents-guide.test.ts" },
  { document: "build-network.md", language: "", lines: /^403 /, test: "build-network.test.ts" },
  { document: "interactions.md", language: "json", lines: /^/, test: "messages.test.ts" },
  { document: "layers.md", language: "bash", lines: /^/, test: "reproducible.test.ts" },
  { document: "layers.md", language: "dockerfile", lines: /^/, test: "docs.test.ts" },
  { document: "layers.md", lines: /^skopeo copy /, test: "artifacts-api.test.ts" },
  { document: "mcp.md", language: "json", nth: 1, lines: /^/, test: "mcp-guide.test.ts" },
  { document: "operating.md", language: "sh", nth: 0, lines: /^/, test: "backup.test.ts" },
  { document: "outputs.md", language: "json", lines: /^/, test: "outputs-guide.test.ts" },
  { document: "outputs.md", language: "ts", lines: /^/, test: "outputs-guide.test.ts" },
  { document: "outputs.md", lines: /^(airlock|openssl) /, test: "outputs-guide.test.ts" },
  { document: "performance.md", language: "sh", lines: /^npm run/, test: "bench.test.ts" },
];

/** The block without the lines that are run elsewhere: what is left for the reader. */
export function leftOf(document: string, block: Block): Block {
  const own = elsewhere.filter(
    (one) =>
      one.document === document &&
      (one.language ?? block.language) === block.language &&
      (one.nth ?? block.nth) === block.nth,
  );
  const lines = block.text.split("\n");
  const left = lines.filter((line) => !own.some((one) => one.lines.test(line)));
  return { ...block, text: left.join("\n") };
}
