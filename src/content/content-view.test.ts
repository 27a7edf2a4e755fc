import { describe, expect, test } from "vitest";
import { type ContentVersion, contentAlias, contentView } from "./content-view.ts";

const digest = (start: string) => `sha256:${start.padEnd(64, "0")}`;
let order = 0;

function version(runId: string, name: string, start: string, more: Partial<ContentVersion> = {}) {
  order += 1;
  const sha256 = digest(start);
  return { runId, name, visibility: "session" as const, sha256, bytes: 1, order, ...more };
}

describe("a view of content", () => {
  test("finds by name, handle and alias", () => {
    const main = version("me", "main.py", "abcdef12");
    const view = contentView([main], "me");
    expect(contentAlias(main.sha256)).toBe("cnt_abcdef12");
    for (const reference of ["main.py", main.sha256, "cnt_abcdef12"]) {
      expect(view.find(reference)).toEqual({ type: "found", content: main });
    }
  });

  test("shows the newest version under a name and older ones by handle", () => {
    const old = version("me", "a", "01");
    const newer = version("me", "a", "02");
    const view = contentView([newer, old], "me");
    expect(view.current).toEqual([newer]);
    expect(view.find(old.sha256)).toEqual({ type: "found", content: old });
  });

  test("prefers the run's own name to a newer one of another run", () => {
    const mine = version("me", "a", "01", { visibility: "private" });
    const theirs = version("other", "a", "02");
    expect(contentView([mine, theirs], "me").find("a")).toMatchObject({ content: mine });
    expect(contentView([mine, theirs], "third").find("a")).toMatchObject({ content: theirs });
  });

  test("shows nothing of what another run keeps private, by any reference", () => {
    const theirs = version("other", "key.txt", "0badcafe", { visibility: "private" });
    const view = contentView([theirs], "me");
    expect(view.current).toEqual([]);
    for (const reference of ["key.txt", theirs.sha256, "cnt_0badcafe"]) {
      expect(view.find(reference)).toEqual({ type: "not_found", suggestions: [] });
    }
  });

  test("says that an alias stands for more than one content", () => {
    const a = version("me", "a", "abcdef1200");
    const b = version("me", "b", "abcdef12ff");
    expect(contentView([a, b], "me").find("cnt_abcdef12")).toEqual({
      type: "ambiguous",
      candidates: [a, b],
    });
  });

  test("finds by alias what has two names but one digest", () => {
    const a = version("me", "a", "abcdef12");
    const b = version("me", "b", "abcdef12");
    expect(contentView([a, b], "me").find("cnt_abcdef12")).toEqual({ type: "found", content: b });
  });

  test("accepts a handle in its canonical spelling only", () => {
    const view = contentView([version("me", "a", "abcdef12")], "me");
    expect(view.find("sha256:abcdef12").type).toBe("not_found");
    expect(view.find(digest("abcdef12").toUpperCase()).type).toBe("not_found");
  });

  test("names what is nearest when nothing is found", () => {
    const names = ["src/main.py", "README.md", "data/input.csv", "src/main_test.py"];
    const view = contentView(
      names.map((name, i) => version("me", name, String(i))),
      "me",
    );
    expect(view.find("main.py")).toMatchObject({
      suggestions: ["src/main.py", "src/main_test.py"],
    });
    expect(view.find("readme.md")).toMatchObject({ suggestions: ["README.md"] });
    expect(view.find("zzz")).toMatchObject({ suggestions: [] });
  });
});
