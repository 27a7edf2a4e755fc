import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../base/canonical-json.ts";
import { type BindingPart, bindingParts } from "../contract/approval.ts";
import { bindCall, changedParts, keysOf, secretsPart } from "./binding.ts";

type Parts = Record<BindingPart, string>;

const command = {
  ...Object.fromEntries(bindingParts.map((part) => [part, `the ${part}`])),
  ...{ tool: "sandbox_exec", artifact: "none", entrypoint: "none" },
} as Parts;
const program: Parts = { ...command, tool: "artifact_exec", artifact: "art_1", entrypoint: "a.py" };

describe("a binding", () => {
  it("is the digest of the canonical JSON of all its parts, so that anybody can check it", () => {
    const { digest, parts } = bindCall(command);
    const hex = createHash("sha256").update(canonicalJson(parts)).digest("hex");
    expect(digest).toBe(`sha256:${hex}`);
    expect(Object.keys(parts).sort()).toEqual([...bindingParts].sort());
  });

  it("does not depend on the order in which its parts are given", () => {
    const reversed = Object.fromEntries(Object.entries(command).reverse()) as Parts;
    expect(bindCall(reversed)).toEqual(bindCall(command));
  });

  it.each(bindingParts)("is another one when the %s changes, and names it (G01 G05)", (part) => {
    const approved = bindCall(command);
    const now = bindCall({ ...command, [part]: `${command[part]} ` });
    expect(now.digest).not.toBe(approved.digest);
    expect(changedParts(approved, now)).toEqual([part]);
    expect(changedParts(now, approved)).toEqual([part]);
  });

  it("names every part that changed, and none when nothing did", () => {
    const approved = bindCall(command);
    expect(changedParts(approved, bindCall({ ...command }))).toEqual([]);
    const now = bindCall({ ...command, hosts: "*", staged: "", tmp: "" });
    expect(changedParts(approved, now)).toEqual(["staged", "tmp", "hosts"]);
  });

  it("of a call without a server is what it was before there were any", () => {
    const { server: _, ...before } = command;
    const { digest, parts } = bindCall(before);
    expect(parts).not.toHaveProperty("server");
    expect(digest).not.toBe(bindCall(command).digest);
    expect(bindCall({ ...command, server: "none" }).digest).toBe(digest);
    expect(changedParts({ digest, parts }, bindCall(command))).toEqual(["server"]);
    expect(keysOf(bindCall(before))).toEqual(keysOf({ digest, parts }));
  });

  it("that says nothing of a part differs from one that says something of it", () => {
    const { digest } = bindCall(command);
    const { hosts: _, ...rest } = command;
    expect(changedParts({ digest, parts: rest }, bindCall(command))).toEqual(["hosts"]);
  });
});

describe("the keys of a call", () => {
  const changed = (base: Parts, part: BindingPart) => {
    const before = keysOf(bindCall(base));
    const after = keysOf(bindCall({ ...base, [part]: `${base[part]}2` }));
    return (["run", "agent_revision", "artifact"] as const).filter(
      (scope) => before[scope] !== after[scope],
    );
  };

  it.each(bindingParts)("of a program change with its %s exactly where they should", (part) => {
    const expected = ["run"];
    if (part !== "run_tree") expected.push("agent_revision");
    const ofProgram = ["tool", "artifact", "layers", "entrypoint", "secrets", "hosts"].includes(
      part,
    );
    if (ofProgram) expected.push("artifact");
    expect(changed(program, part)).toEqual(expected);
  });

  it.each(bindingParts)("of a command change with its %s exactly where they should", (part) => {
    expect(changed(command, part)).toEqual(
      part === "run_tree" ? ["run"] : ["run", "agent_revision"],
    );
  });

  it("have none of an artifact when the tool is not artifact_exec, whatever it mounts", () => {
    expect(keysOf(bindCall(command)).artifact).toBeNull();
    expect(keysOf(bindCall({ ...command, artifact: "art_1" })).artifact).toBeNull();
    expect(keysOf(bindCall({ ...program, artifact: "none" })).artifact).toBeNull();
    expect(keysOf(bindCall(program)).artifact).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it("of a program that holds no secret are what they were before there were any", () => {
    const key = (secrets: string) => keysOf(bindCall({ ...program, secrets })).artifact;
    const { tool, artifact, layers, entrypoint, hosts } = program;
    const parts = { tool, artifact, layers, entrypoint, hosts };
    const text = canonicalJson({ scope: "artifact", parts });
    const before = `sha256:${createHash("sha256").update(text).digest("hex")}`;
    expect(key("none")).toBe(before);
    expect(new Set([key("none"), key("A=A"), key("A=B"), key("A=A B=B")]).size).toBe(4);
  });

  it("are never the same for two scopes", () => {
    const keys = Object.values(keysOf(bindCall(program)));
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe("the part of the secrets", () => {
  it("has every variable with the name of its secret, in order, however they were given", () => {
    expect(secretsPart({})).toBe("none");
    expect(secretsPart({ B: "KEY", A: "KEY", A_1: "X" })).toBe("A=KEY A_1=X B=KEY");
    expect(secretsPart({ A_1: "X", A: "KEY", B: "KEY" })).toBe("A=KEY A_1=X B=KEY");
    expect(secretsPart({ A: "B" })).not.toBe(secretsPart({ B: "A" }));
  });
});
