/**
 * The house rules as tests, so that the house keeps itself tidy. ARCHITECTURE.md is read for the import table, the
 * capability table and the invariants and held against the code: it cannot say what is not so. Every failure says what
 * to do about it.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, posix, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** Every file of the project: what is below its own folders, and the files beside them. */
const folders = ["bench", "bin", "docs", "examples", "runtime", "scripts", "src", "test"];
const files = [
  ...readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name),
  ...folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    // The benchmark's peers are installed below bench/.
    .filter((path) => !path.includes("node_modules/")),
];
const typescript = files.filter((path) => path.endsWith(".ts") || path.endsWith(".mts"));
const sources = typescript.filter((path) => path.startsWith("src/") && !isTest(path));
const documents = files.filter((path) => path.endsWith(".md"));
const architecture = read("ARCHITECTURE.md");

/** A corpus holds code as texts, which tests read and nobody runs: what stands in it is not what it does. */
function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || /\bcorpus\b.*\.testing\.ts$/.test(path);
}

/** The rows of the table below a heading, cells trimmed, without its head. */
function table(document: string, heading: string): string[][] {
  const section = document.split(/^## /m).find((part) => part.startsWith(heading));
  if (section === undefined) throw new Error(`Cannot find the heading "## ${heading}"`);
  return section
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** The words in back-ticks of a cell. */
function quoted(cell = ""): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
}

/** Code without comments, so that a rule is not broken by a sentence about it. */
function code(path: string): string {
  return read(path)
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/(^|\s)\/\/.*$/gm, "$1");
}

function importsOf(path: string): string[] {
  const found = code(path).matchAll(
    /(?:^|\n)\s*(?:import|export)\s(?:[^;"']*?\sfrom\s)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/g,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? "");
}

/** `src/run/loop.ts` is in the room `run`; `src/gateway.ts` is a room of its own, `gateway.ts`. */
function roomOf(path: string): string {
  return path.split("/")[1] ?? "";
}

function isAllowed(path: string, places: string[]): boolean {
  return places.some((place) => path === place || (place.endsWith("/") && path.startsWith(place)));
}

describe("imports", () => {
  const rows = table(architecture, "Who may import whom");
  const mayImport = new Map(rows.map((row) => [quoted(row[0])[0] ?? "", quoted(row[1])]));
  const mayUse = new Map(rows.map((row) => [quoted(row[0])[0] ?? "", quoted(row[2])]));

  it("every room stands in the import table of ARCHITECTURE.md, and nothing else does", () => {
    const rooms = new Set(sources.map(roomOf));
    expect([...mayImport.keys()].sort(), "add or remove the row of the room").toEqual(
      [...rooms].sort(),
    );
  });

  it("a room imports only the rooms that the table gives it", () => {
    const wrong = sources.flatMap((path) =>
      importsOf(path)
        .filter((target) => target.startsWith("."))
        .map((target) => posix.join(dirname(path), target))
        .filter((target) => {
          const [from, to] = [roomOf(path), roomOf(target)];
          if (from === to || target === "package.json") return false;
          // What several tests of a room share may use what tests share.
          if (path.endsWith(".testing.ts") && target.startsWith("test/support/")) return false;
          return !grants(mayImport.get(from), path, to);
        })
        .map((target) => `${path} imports ${target}: pass it in as an argument from gateway.ts`),
    );
    expect(wrong).toEqual([]);
  });

  it("a room is entered by the file that bears its name", () => {
    const wrong = sources.concat(typescript.filter(isTest)).flatMap((path) =>
      importsOf(path)
        .filter((target) => target.startsWith("."))
        .map((target) => posix.join(dirname(path), target))
        .filter((target) => {
          const parts = target.split("/");
          if (!path.startsWith("src/") || parts.length < 3 || parts[0] !== "src") return false;
          const room = parts[1] ?? "";
          if (room === roomOf(path) || room === "contract" || room === "base") return false;
          return target !== `src/${room}/${room}.ts`;
        })
        .map((target) => `${path} imports ${target}: export it from the door of that room`),
    );
    expect(wrong).toEqual([]);
  });

  it("a room uses only the packages that the table gives it", () => {
    const wrong = sources.flatMap((path) =>
      importsOf(path)
        .filter((target) => !target.startsWith("."))
        .map((target) => (target.startsWith("node:") ? "node:" : packageOf(target)))
        .filter((name) => !grants(mayUse.get(roomOf(path)), path, name))
        .map(
          (name) => `${path} imports ${name}: use it where the table has it, or argue for a row`,
        ),
    );
    expect(wrong).toEqual([]);
  });

  it("every runtime dependency is used, and every used package is a runtime dependency", () => {
    const used = new Set(
      sources
        .flatMap(importsOf)
        .filter((target) => !target.startsWith(".") && !target.startsWith("node:"))
        .map(packageOf),
    );
    const named = new Set(
      sources.flatMap((path) => [...code(path).matchAll(/["']([\w@/.-]+)["']/g)].map((m) => m[1])),
    );
    const declared = Object.keys(JSON.parse(read("package.json")).dependencies);
    const unused = declared.filter(
      (name) => !used.has(name) && ![...named].some((n) => n === name || n?.startsWith(`${name}/`)),
    );
    expect(unused, "remove them from dependencies").toEqual([]);
    const undeclared = [...used].filter((name) => !declared.includes(name));
    expect(undeclared, "move them to dependencies").toEqual([]);
  });

  /** `name` is granted to the whole room, `name < file.ts` to that file of it. */
  function grants(entries: string[] = [], path: string, name: string): boolean {
    return entries.some((entry) => {
      const [granted, only] = entry.split(" < ");
      return granted === name && (only === undefined || basename(path) === only);
    });
  }

  function packageOf(target: string): string {
    return target
      .split("/")
      .slice(0, target.startsWith("@") ? 2 : 1)
      .join("/");
  }
});

describe("power by import", () => {
  for (const [where = "", what = ""] of table(architecture, "Power by import")) {
    const patterns = quoted(what);
    it(`${patterns.join(" and ")} only where ARCHITECTURE.md says`, () => {
      const places = quoted(where);
      for (const place of places) {
        expect(existsSync(join(root, place)), `${place} is gone: correct the table`).toBe(true);
      }
      const wrong = sources
        .filter((path) => !isAllowed(path, places))
        .flatMap((path) =>
          patterns
            .filter((pattern) => uses(path, pattern))
            .map((pattern) => `${path} uses ${pattern}: ask one of ${places.join(", ")} to do it`),
        );
      expect(wrong).toEqual([]);
    });
  }

  function uses(path: string, pattern: string): boolean {
    if (pattern.startsWith("node:")) return importsOf(path).includes(pattern);
    const text = code(path);
    const escaped = pattern.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return new RegExp(`(?<![\\w.])${escaped}(?!\\w)`).test(text);
  }
});

describe("files", () => {
  it("hold one idea: at most 400 lines, tests at most 600", () => {
    const wrong = typescript
      .map((path) => ({ path, lines: read(path).split("\n").length - 1 }))
      .filter(({ path, lines }) => lines > (isTest(path) ? 600 : 400))
      .map(({ path, lines }) => `${path} has ${lines} lines: find its second idea and name it`);
    expect(wrong).toEqual([]);
  });

  it("are named after what they hold, never index, util, helper and their kin", () => {
    const words =
      /^(index|manager|service|helpers?|utils?|common|misc|info|handler|impl|abstract)$/;
    const wrong = files
      .filter((path) => path.endsWith(".ts") && path !== "src/http/handler.ts")
      .filter((path) =>
        basename(path)
          .split(/[.-]/)
          .some((word) => words.test(word)),
      );
    expect(wrong, "name them after the idea inside").toEqual([]);
  });

  it("of a room's door open with a comment that says what the room is for", () => {
    const rooms = readdirSync(join(root, "src"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .filter((room) => room !== "contract" && room !== "base");
    const wrong = rooms.filter((room) => {
      const door = `src/${room}/${room}.ts`;
      return !existsSync(join(root, door)) || !read(door).startsWith("/**\n");
    });
    expect(wrong, "add src/<room>/<room>.ts, and open it with the room's purpose").toEqual([]);
  });

  const forbidden: [RegExp, string][] = [
    [/:\s*any\b|\bas any\b|<any>|\bany\[\]/, "say what it is, or `unknown`"],
    [/@ts-(ignore|expect-error|nocheck)/, "make the types true"],
    [/\b(it|test|describe)\.(only|skip|todo|skipIf|runIf)\b/, "make it run, or delete it"],
    [/\b(TODO|FIXME|XXX)\b/, "do it, or open an issue"],
    [/catch\s*(\([^)]*\))?\s*\{\s*\}/, "act on the error, or let it through"],
  ];
  for (const [pattern, fix] of forbidden) {
    it(`do not contain ${pattern.source}`, () => {
      const wrong = typescript
        .filter((path) => path !== "test/tidy.test.ts")
        .flatMap((path) =>
          (pattern.source.includes("@ts") || pattern.source.includes("TODO") ? read : code)(path)
            .split("\n")
            .filter((line) => pattern.test(line))
            .map((line) => `${path}: ${line.trim()}: ${fix}`),
        );
      expect(wrong).toEqual([]);
    });
  }

  it("export by name: default exports only where a tool asks for one", () => {
    const asked = ["vitest.config.ts", "test/support/count-reporter.ts"];
    const wrong = typescript
      .filter((path) => !asked.includes(path))
      .filter((path) => /^export default\b/m.test(code(path)));
    expect(wrong, "give the export a name").toEqual([]);
  });
});

describe("documents", () => {
  it("are short: README.md at most 120 lines, ARCHITECTURE.md at most 250", () => {
    expect(read("README.md").split("\n").length - 1).toBeLessThanOrEqual(120);
    expect(architecture.split("\n").length - 1).toBeLessThanOrEqual(250);
  });

  it("have links that lead somewhere", () => {
    const wrong = documents.flatMap((path) =>
      [...read(path).matchAll(/\]\(([^)\s]+)\)/g)]
        .map((match) => match[1] ?? "")
        .filter((link) => !/^[a-z]+:/.test(link))
        .filter((link) => {
          const [target = "", anchor] = link.split("#");
          const file = target === "" ? path : posix.join(dirname(path), target);
          if (!existsSync(join(root, file))) return true;
          return anchor !== undefined && !headings(read(file)).includes(anchor);
        })
        .map((link) => `${path} links to ${link}: correct the link`),
    );
    expect(wrong).toEqual([]);
  });

  it("name files that exist", () => {
    const wrong = documents
      .filter((path) => path !== "CHANGELOG.md")
      .flatMap((path) =>
        quoted(read(path).replace(/^```[\s\S]*?^```/gm, ""))
          .filter((word) => /^(src|test|scripts|examples|docs|bin|runtime)\/[\w./-]+$/.test(word))
          .filter((word) => !existsSync(join(root, word)))
          .map((word) => `${path} names ${word}: it is not there`),
      );
    expect(wrong).toEqual([]);
  });

  it("give every invariant a file that keeps it and a test that proves it", () => {
    const rows = table(architecture, "Invariants");
    expect(rows.map((row) => row[0])).toEqual(
      Array.from({ length: 14 }, (_, index) => `I${index + 1}`),
    );
    expect(rows.flatMap((row) => proofDefects(row[0] ?? "", row[2], row[3]))).toEqual([]);
  });

  it("give every vector of the threat model a file that defends and a test that attacks", () => {
    const rows = table(read("THREAT_MODEL.md"), "Vectors");
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.flatMap((row) => proofDefects(row[0] ?? "", row[3], row[4]))).toEqual([]);
  });

  it("record every decision under its number, without a gap", () => {
    const numbers = files
      .filter((path) => path.startsWith("docs/decisions/"))
      .map((path) => Number(/^(\d{4})-[a-z0-9-]+\.md$/.exec(basename(path))?.[1]))
      .sort((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it("tell what changed in the version that package.json has", () => {
    const { version } = JSON.parse(read("package.json"));
    expect(read("CHANGELOG.md")).toContain(`## ${version}`);
  });

  /** A row's files must exist, and its test file must hold a test with exactly the name that the row gives. */
  function proofDefects(row: string, keeper = "", proof = ""): string[] {
    const defects = quoted(keeper)
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${row} names ${path}: it is not there`);
    const [testFile = ""] = quoted(proof);
    const name = /"(.+)"/.exec(proof)?.[1];
    if (quoted(keeper).length === 0) defects.push(`${row} names no file in back-ticks`);
    if (!existsSync(join(root, testFile)) || !isTest(testFile)) {
      defects.push(`${row} names the test file "${testFile}": it is not there`);
    } else if (name === undefined || !read(testFile).includes(name)) {
      defects.push(`${row} names the test "${name}": ${testFile} has none of that name`);
    }
    return defects;
  }

  function headings(document: string): string[] {
    return [...document.matchAll(/^#+ (.+)$/gm)].map((match) =>
      (match[1] ?? "")
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .trim()
        .replace(/\s/g, "-"),
    );
  }
});
