import { it } from "vitest";
import { openAnalysis } from "./analysis.ts";
import { honest } from "./corpus/honest.testing.ts";
import { laterEvasive } from "./corpus/later-evasive.testing.ts";

const look = (files: Record<string, string>) => ({
  async read(p: string) {
    const t = files[p.replace(/^\/tmp\//, "")];
    return t === undefined ? undefined : new TextEncoder().encode(t);
  },
  async list(p: string) {
    const b = p === "/tmp" ? "" : p.replace(/^\/tmp\//, "") + "/";
    const n = Object.keys(files)
      .filter((f) => f.startsWith(b))
      .map((f) => f.slice(b.length).split("/")[0] ?? "");
    return n.length ? [...new Set(n)] : undefined;
  },
  packageHosts: { python: [], javascript: [], go: [], rust: [], other: [] },
});
it("try", async () => {
  const a = openAnalysis();
  let asked = 0;
  for (const { command, files } of honest) {
    const f = (await a.command(command, look({ ...files }))).findings;
    if (f.length) {
      asked++;
      console.log(
        "ASKS",
        JSON.stringify(command).slice(0, 150),
        JSON.stringify(files).slice(0, 160),
        "\n    ",
        f.map((x) => `${x.kind} ${x.file}:${x.line} ${x.pattern} | ${x.reason}`).join("\n     "),
      );
    }
  }
  console.log("ASKED", asked, "of", honest.length);
  let missed = 0;
  for (const [command, files] of laterEvasive) {
    const f = (await a.command(command, look({ ...files }))).findings;
    if (!f.length) {
      missed++;
      console.log("MISSED", JSON.stringify(command), JSON.stringify(files));
    }
  }
  console.log("MISSED", missed, "of", laterEvasive.length);
});
