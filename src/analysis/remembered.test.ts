import { describe, expect, it } from "vitest";
import { openAnalysis } from "./analysis.ts";

const packageHosts = { python: [], javascript: [], go: [], rust: [], other: [] };

describe("a command that comes again", () => {
  it("is looked at anew when a file that it runs, or one that this imports, has changed", async () => {
    const files = new Map([
      ["/tmp/main.py", "import own\n"],
      ["/tmp/own.py", "x = 1\n"],
    ]);
    const analysis = openAnalysis();
    const hosts = async () => {
      const read = async (path: string) => {
        const text = files.get(path);
        return text === undefined ? undefined : Buffer.from(text);
      };
      const { findings } = await analysis.command("python3 main.py", { read, packageHosts });
      return findings.flatMap(({ host }) => host ?? []);
    };
    expect(await hosts()).toEqual([]);
    expect(await hosts()).toEqual([]);
    files.set("/tmp/own.py", "import requests\nrequests.get('https://one.example/')\n");
    expect(await hosts()).toEqual(["one.example:443"]);
    expect(await hosts()).toEqual(["one.example:443"]);
    files.set("/tmp/main.py", "import requests\nrequests.get('https://two.example/')\n");
    expect(await hosts()).toEqual(["two.example:443"]);
    files.delete("/tmp/main.py");
    expect(await hosts()).not.toContain("two.example:443");
  });

  it("is looked at anew with other words or other registries", async () => {
    const analysis = openAnalysis();
    const read = async () => undefined;
    const install = async (python: string[]) => {
      const look = { read, packageHosts: { ...packageHosts, python } };
      return (await analysis.command("pip install x", look)).findings.map(({ host }) => host);
    };
    expect(await install(["a.example:443"])).toEqual(["a.example:443"]);
    expect(await install(["b.example:443"])).toEqual(["b.example:443"]);
    const words = { shell_commands: ["reach"] };
    const own = { read, packageHosts, remoteAccess: words };
    expect((await analysis.command("reach out", { read, packageHosts })).findings).toEqual([]);
    expect((await analysis.command("reach out", own)).findings).toHaveLength(1);
  });
});
