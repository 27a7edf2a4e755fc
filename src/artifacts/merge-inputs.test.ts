import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { artifactIdentity } from "../base/artifact-identity.ts";
import type { ArtifactLayer, ArtifactManifest } from "../contract/artifact.ts";
import { type ArtifactInput, mergeInputs, type Wanted } from "./merge-inputs.ts";

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const file = (name: string, digit = "1"): ArtifactInput => ({
  type: "file",
  file: { name, sha256: digest(digit), bytes: 1 },
});
const layer = (mount_path: string, mount_as: string | null = null, digit = "a"): ArtifactLayer => ({
  ...{ name: "deps", digest: digest(digit), mount_path, mount_as },
});
const merge = (wanted: Partial<Wanted>) =>
  mergeInputs({ inputs: [], entrypoints: undefined, layers: [], kind: undefined, ...wanted });
function made(wanted: Partial<Wanted>): ArtifactManifest {
  const merged = merge(wanted);
  if (!merged.ok) throw new Error(merged.message);
  return merged.manifest;
}
const refusal = (wanted: Partial<Wanted>) => {
  const merged = merge(wanted);
  return merged.ok ? "" : merged.message;
};
const bundle = (manifest: ArtifactManifest, name = "art_1"): ArtifactInput => ({
  type: "artifact",
  name,
  manifest,
});

describe("files", () => {
  it("become a bundle whose entrypoints alone can be run", () => {
    const manifest = made({ inputs: [file("b.txt"), file("a.py")], entrypoints: ["a.py"] });
    expect(manifest.kind).toBe("generic");
    expect(manifest.files.map(({ name, executable }) => [name, executable])).toEqual([
      ["a.py", true],
      ["b.txt", false],
    ]);
  });

  it("are the same bundle in whatever order they are named", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/), { minLength: 1 }),
        fc.infiniteStream(fc.nat()),
        (names, keys) => {
          const shuffled = names
            .map((name) => ({ name, key: keys.next().value as number }))
            .sort((a, b) => a.key - b.key)
            .map(({ name }) => file(name));
          const one = made({ inputs: names.map((name) => file(name)) });
          expect(artifactIdentity(made({ inputs: shuffled }))).toEqual(artifactIdentity(one));
        },
      ),
    );
  });

  it("cannot have an entrypoint that is not among them, and the message lists them", () => {
    const message = refusal({ inputs: [file("main.py")], entrypoints: ["man.py"] });
    expect(message).toBe('entrypoints: there is no "man.py" among the files "main.py"');
  });

  it("cannot be a file and a directory at once", () => {
    expect(refusal({ inputs: [file("a"), file("a/b")] })).toContain('"a/b" lies in a directory');
  });
});

describe("an artifact among the inputs", () => {
  const base = made({
    ...{ inputs: [file("main.py"), file("requirements.txt")], entrypoints: ["main.py"] },
    ...{ layers: [layer("/tmp/venv", "/opt/venv")], kind: "agent_bundle" },
  });

  it("brings files, entrypoints, layers and kind along", () => {
    expect(made({ inputs: [bundle(base)] })).toEqual(base);
  });

  it("lets a later file, and a newer layer at the same place, take the place of its own", () => {
    const manifest = made({
      inputs: [file("main.py", "2"), bundle(base)],
      entrypoints: ["main.py"],
      layers: [layer("/tmp/venv", "/opt/venv", "b")],
    });
    expect(manifest.files.find(({ name }) => name === "main.py")?.sha256).toBe(digest("2"));
    expect(manifest.layers.map((held) => held.digest)).toEqual([digest("b")]);
  });

  it("may gain entrypoints out of its own files", () => {
    const plain = made({ inputs: [file("main.py")] });
    const manifest = made({
      inputs: [bundle(plain), file("requirements.txt")],
      entrypoints: ["main.py"],
    });
    expect(manifest.entrypoints).toEqual(["main.py"]);
  });

  it("has a kind that the call cannot contradict, and neither can a second artifact", () => {
    expect(refusal({ inputs: [bundle(base)], kind: "binary" })).toBe(
      'kind: "binary" contradicts art_1, which is of the kind "agent_bundle"',
    );
    const generic = bundle(made({ inputs: [file("x")] }), "ar.2");
    expect(refusal({ inputs: [bundle(base), generic] })).toContain("contradicts ar.2");
  });
});

describe("the places of layers", () => {
  it.each([
    ["/", "must be normalised"],
    ["/usr", "must be below"],
    ["/proc/x", "must be below"],
    ["/etc/x", "must be below"],
    ["/opt", "must be below"],
    ["/tmp", "must be below"],
    ["/workspace/../etc", "must be normalised"],
    ["/opt//x", "must be normalised"],
    ["/opt/x/", "must be normalised"],
    ["opt/x", "must be absolute"],
    ["/opt/a\nb", "control characters"],
    [`/opt/${"x".repeat(256)}`, "longer than 255 bytes"],
  ])("%s is refused", (path, why) => {
    expect(refusal({ inputs: [file("a")], layers: [layer(path)] })).toContain(why);
    expect(refusal({ inputs: [file("a")], layers: [layer("/opt/ok", path)] })).toContain(why);
  });

  it("cannot be taken twice, lie in each other, or in the way of a file", () => {
    const layers = (...all: ArtifactLayer[]) => refusal({ inputs: [file("a/b")], layers: all });
    expect(layers(layer("/opt/x"), layer("/opt/y", "/opt/x"))).toContain("taken twice");
    expect(layers(layer("/opt/x"), layer("/opt/x/y"))).toContain("lies inside");
    expect(layers(layer("/opt/x"), layer("/opt/x-y"), layer("/opt/x/y"))).toContain("lies inside");
    expect(layers(layer("/tmp/a"))).toContain('"/tmp/a/b" lies inside "/tmp/a"');
    expect(layers(layer("/tmp/venv", "/tmp/venv"))).toBe("");
  });

  it("are at most 64", () => {
    const many = Array.from({ length: 65 }, (_, index) => layer(`/opt/${index}`));
    expect(refusal({ inputs: [file("a")], layers: many })).toContain("65 places are too many");
  });
});
