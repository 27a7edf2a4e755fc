import { describe, expect, it } from "vitest";
import { type Look, openAnalysis } from "./analysis.ts";
import { corpus, type Snippet } from "./corpus/corpus.testing.ts";
import { evasive, type Honest, honest } from "./corpus/honest.testing.ts";

const analysis = openAnalysis();

const files: Record<Snippet["language"], [name: string, command: string]> = {
  python: ["/tmp/main.py", "python3 main.py"],
  javascript: ["/tmp/main.mjs", "node main.mjs"],
  typescript: ["/tmp/main.ts", "node main.ts"],
  go: ["/tmp/main.go", "go run main.go"],
  rust: ["/tmp/src/main.rs", "cargo run"],
  shell: ["", ""],
};

/** A snippet as it would come: a command, or a file that a command runs. */
async function findingsOf(snippet: Snippet) {
  const [path, command] = files[snippet.language];
  const bytes = new TextEncoder().encode(snippet.code);
  const look: Look = {
    read: async (asked) => (asked === path ? bytes : undefined),
    packageHosts: { python: [], javascript: [], go: [], rust: [], other: [] },
  };
  const text = snippet.language === "shell" ? snippet.code : command;
  return (await analysis.command(text, look)).findings;
}

const judged = await Promise.all(
  corpus.map(async (snippet) => ({ snippet, findings: await findingsOf(snippet) })),
);
const name = ({ language, name: own }: Snippet) => `${language}: ${own}`;

describe("the corpus", () => {
  const caughtLabels = judged.filter(({ snippet }) => /network|opaque/.test(snippet.label));
  const caught = caughtLabels.filter(({ findings }) => findings.length > 0);
  const clean = judged.filter(({ snippet }) => snippet.label === "clean");
  const alarms = clean.filter(({ findings }) => findings.length > 0);
  const recall = caught.length / caughtLabels.length;
  const precision = caught.length / (caught.length + alarms.length);

  it("is large, and half of it is evasive", () => {
    expect(corpus.length).toBeGreaterThanOrEqual(200);
    expect(corpus.filter((each) => each.evasive).length).toBeGreaterThanOrEqual(corpus.length / 2);
    expect(new Set(corpus.map(name)).size, "names are used once").toBe(corpus.length);
    for (let family = 1; family <= 5; family += 1) {
      expect(corpus.some((each) => each.name.startsWith(`F0${family}`))).toBe(true);
    }
  });

  it("is told apart: what reaches out or hides from what does neither", () => {
    const undetected = judged.filter(({ snippet }) => snippet.label === "undetected");
    process.stdout.write(
      [
        `analysis: ${corpus.length} snippets, ${corpus.filter((each) => each.evasive).length} evasive`,
        `recall ${recall.toFixed(3)} (${caught.length} of ${caughtLabels.length})`,
        `precision ${precision.toFixed(3)} (${alarms.length} false alarms in ${clean.length})`,
        `known to be out of sight: ${undetected.length}\n`,
      ].join(", "),
    );
    const missed = caughtLabels.filter(({ findings }) => findings.length === 0);
    expect(missed.map(({ snippet }) => name(snippet))).toEqual([]);
    const shown = alarms.map(({ snippet, findings }) => [name(snippet), findings[0]]);
    expect(shown).toEqual([]);
    expect(recall).toBeGreaterThanOrEqual(0.95);
    expect(precision).toBeGreaterThanOrEqual(0.95);
  });

  it("says why nobody sees what is not seen, and does not see it", () => {
    for (const { snippet, findings } of judged) {
      if (snippet.label !== "undetected") continue;
      expect(snippet.why ?? "", name(snippet)).not.toBe("");
      expect(findings, `${name(snippet)} is seen now: give it its label`).toEqual([]);
    }
  });
});

/** A command in a directory that holds these files and nothing else. */
async function askedAbout({ command, files }: Honest) {
  const names = Object.keys(files);
  const look: Look = {
    async read(path) {
      const text = files[path.replace(/^\/tmp\//, "")];
      return text === undefined ? undefined : new TextEncoder().encode(text);
    },
    async list(path) {
      const below = names.filter((name) => `/tmp/${name}`.startsWith(`${path}/`));
      const own = below.map((name) => `/tmp/${name}`.slice(path.length + 1).split("/")[0] ?? "");
      return own.length === 0 ? undefined : [...new Set(own)];
    },
    packageHosts: { python: [], javascript: [], go: [], rust: [], other: [] },
  };
  return (await analysis.command(command, look)).findings;
}

describe("what agents run all day", () => {
  it("is not asked about, but for what really cannot be known", async () => {
    expect(honest.length).toBeGreaterThanOrEqual(150);
    for (const each of honest) {
      const findings = await askedAbout(each);
      const shown = JSON.stringify(each);
      if (each.asks === undefined) expect(findings, shown).toEqual([]);
      else
        expect(findings.length, `${shown} is clean now: take the reason away`).toBeGreaterThan(0);
    }
    const asked = honest.filter(({ asks }) => asks !== undefined).length;
    process.stdout.write(
      `analysis: ${asked} of ${honest.length} honest commands are asked about\n`,
    );
    expect(asked / honest.length).toBeLessThanOrEqual(0.05);
  });

  it("is no way around: what the same means would hide is seen", async () => {
    expect(evasive.length).toBeGreaterThanOrEqual(60);
    for (const each of evasive) {
      expect((await askedAbout(each)).length, JSON.stringify(each)).toBeGreaterThan(0);
    }
  });
});
