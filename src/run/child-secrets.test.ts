import { describe, expect, it } from "vitest";
import { childSecrets } from "./child-secrets.ts";

const parent = {
  modelKeys: { openai: "sk-parent", "openai/base_url": "https://models.example/v1" },
  ofRun: (name: string) => ({ DEPLOY_KEY: "deploy", OTHER: "other" })[name],
};

describe("what a task is given of its parent's secrets", () => {
  it("is the keys of models and what its own manifest declares, and nothing else", () => {
    const given = childSecrets(parent, ["DEPLOY_KEY", "NOBODY_HAS_IT"]);
    const own = given.filter((secret) => secret.own);
    expect(own.map(({ name }) => name)).toEqual(["run_token", "canary"]);
    expect(given.filter((secret) => !secret.own)).toEqual([
      { name: "openai", value: "sk-parent" },
      { name: "openai/base_url", value: "https://models.example/v1" },
      { name: "env/DEPLOY_KEY", value: "deploy" },
    ]);
  });

  it("has a run token and a canary of its own", () => {
    const values = () => childSecrets(parent, []).flatMap(({ own, value }) => (own ? [value] : []));
    const all = [...values(), ...values()];
    expect(new Set(all).size).toBe(4);
  });
});
