import { describe, expect, it } from "vitest";
import { limits } from "../base/limits.ts";
import { containsSecret } from "../egress/egress.ts";
import { contentWrite } from "./content-write.ts";
import { openSecrets, secretNotFound } from "./credential-env.ts";
import type { ToolContext } from "./tool.ts";
import { findTool, inputSchema, parseArguments, type WantedCode } from "./tools.ts";

const tools = ["sandbox_exec", "artifact_exec"].map((name) => {
  const tool = findTool(name);
  if (tool === undefined) throw new Error(`There is no ${name}`);
  const own =
    name === "sandbox_exec"
      ? { command: "true" }
      : { artifact_id: `art_${"0".repeat(32)}`, entrypoint: "a" };
  return {
    name,
    tool,
    parse: (credential_env: unknown) => parseArguments(tool, { ...own, credential_env }),
  };
});

describe.each(tools)("credential_env of $name", ({ tool, parse }) => {
  it("is a list of names, or which variable holds which", () => {
    const wanted = (given: unknown) => {
      const parsed = parse(given);
      if (!parsed.ok) throw new Error(String(parsed.result.message));
      return (tool.wants(parsed.args) as WantedCode).secrets;
    };
    expect(wanted(undefined)).toEqual({});
    expect(wanted(["B", "A", "B"])).toEqual({ A: "A", B: "B" });
    expect(wanted({ TOKEN: "A", OTHER: "A" })).toEqual({ TOKEN: "A", OTHER: "A" });
  });

  it.each<[what: string, given: unknown]>([
    ["nothing", []],
    ["no variable", {}],
    ["a value that is no name", ["sk-1234 5678"]],
    ["more than there can be", Array.from({ length: 33 }, (_, n) => `K${n}`)],
    ["a text", "API_KEY"],
    ["values beside names", { A: { value: "x" } }],
    ["a variable of the shell", { BASH_ENV: "A" }],
    ["a secret that is named like one", ["LD_PRELOAD"]],
  ])("is not %s", (_, given) => {
    const parsed = parse(given);
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) expect(parsed.result.message).toMatch(/credential_env/);
  });

  it("is told to the model in its schema, in one sentence", () => {
    const { properties } = inputSchema(tool) as {
      properties: Record<string, { description?: string }>;
    };
    expect(properties.credential_env?.description).toMatch(/by name.*a person is asked/);
  });
});

describe("the secrets of a call", () => {
  const context = (values: Record<string, string>) => ({
    secretNames: async () => Object.keys(values),
    secretValues: async (names: readonly string[]) =>
      Object.fromEntries(
        names.flatMap((name) => (name in values ? [[name, values[name] ?? ""]] : [])),
      ),
  });

  it("are opened for the variables that they are wanted in, each once", async () => {
    const opened = await openSecrets(context({ A: "value-a", B: "value-b" }), {
      X: "A",
      Y: "A",
      B: "B",
    });
    expect(opened).toEqual({ ok: true, values: { X: "value-a", Y: "value-a", B: "value-b" } });
    expect(await openSecrets(context({}), {})).toEqual({ ok: true, values: {} });
  });

  it("are none of those that every object has", async () => {
    const values = async () => ({});
    const opened = await openSecrets(
      { secretNames: async () => [], secretValues: values },
      {
        X: "constructor",
      },
    );
    expect(opened).toEqual({ ok: false, result: secretNotFound(["constructor"], []) });
  });

  it("that are too much for one environment are refused with what to do", async () => {
    const long = "k".repeat(64 * 1024);
    const names = Array.from({ length: 9 }, (_, n) => `K${n}`);
    const all = Object.fromEntries(names.map((name) => [name, long]));
    const opened = await openSecrets(
      context(all),
      Object.fromEntries(names.map((name) => [name, name])),
    );
    expect(opened).toMatchObject({
      ok: false,
      result: {
        ...{ error_type: "validation", message: expect.stringContaining("589824 bytes") },
        repair_hint: expect.stringContaining("fewer"),
      },
    });
    expect(JSON.stringify(opened)).not.toContain("kkkk");
  });

  it("that are not there are named with those that are, and none is opened", async () => {
    const opened = await openSecrets(context({ B: "value-b", A: "value-a" }), {
      X: "C",
      Y: "A",
      Z: "D",
    });
    expect(opened).toEqual({ ok: false, result: secretNotFound(["C", "D"], ["A", "B"]) });
    expect(JSON.stringify(opened)).not.toContain("value-");
    expect(opened).toMatchObject({
      result: {
        ...{
          error_type: "resource",
          error: "secret_not_found",
          message: 'There is no secret "C", "D"',
        },
        ...{
          missing: ["C", "D"],
          secrets: ["A", "B"],
          repair_hint: expect.stringContaining("A, B"),
        },
      },
    });
    expect(secretNotFound(["C"], [])).toMatchObject({
      repair_hint: expect.stringContaining("none"),
    });
  });
});

describe("content_write", () => {
  it("does not write a text with a secret of the run, in whatever spelling, and writes any other", async () => {
    const secret = "sk-canary-Zm9vYmFyYmF6cXV4";
    const kept: string[] = [];
    const search = containsSecret([secret]);
    const context = {
      holdsSecret: (bytes: Uint8Array) => search.start().push(bytes),
      blobs: {
        put: async (bytes: Uint8Array) => {
          kept.push(String(bytes));
          return { sha256: "sha256:x", bytes: bytes.length };
        },
      },
    } as unknown as ToolContext;
    const write = async (content: string) =>
      (await contentWrite.run({ name: "a.txt", content }, context)).result;
    for (const text of [secret, btoa(secret), encodeURIComponent(secret)]) {
      const padded = `${"x".repeat(limits.eventStringBytes)} ${text}`;
      expect(await write(padded)).toMatchObject({
        ...{ ok: false, error_type: "permission", error: "contains_secret" },
        message: 'Cannot write "a.txt": the text holds a secret',
      });
    }
    expect(kept).toEqual([]);
    expect(await write("no secret")).toMatchObject({ ok: true });
    expect(kept).toHaveLength(1);
  });
});
