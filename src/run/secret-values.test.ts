import { expect, it } from "vitest";
import { heldSecrets } from "./held-secrets.ts";
import { openSecretValues } from "./secret-values.ts";
import type { CallState, TurnState } from "./state.ts";

const own = new Map([
  ["BOTH", "value-of-the-run"],
  ["OWN", "value-own"],
]);
const ofRun = { ofRun: (name: string) => own.get(name), namesOfRun: () => [...own.keys()] };

it("a secret of the run is stronger than one of its workspace, and what is nowhere is left out", async () => {
  const shared = new Map([
    ["BOTH", "value-of-the-workspace"],
    ["SHARED", "value-shared"],
  ]);
  const secrets = openSecretValues({
    ...ofRun,
    workspaceValue: async (name) => shared.get(name),
    workspaceNames: async () => [...shared.keys()],
  });
  expect(await secrets.names()).toEqual(["BOTH", "OWN", "SHARED"]);
  expect(await secrets.values(["SHARED", "BOTH", "NOWHERE"])).toEqual({
    ...{ BOTH: "value-of-the-run", SHARED: "value-shared" },
  });
  // Nothing is remembered: the value that is there when it is asked for is the one that is spent.
  shared.set("SHARED", "value-rotated");
  expect(await secrets.values(["SHARED"])).toEqual({ SHARED: "value-rotated" });
  shared.delete("SHARED");
  expect(await secrets.values(["SHARED"])).toEqual({});
});

it("a run without a workspace's secrets has its own", async () => {
  const secrets = openSecretValues(ofRun);
  expect(await secrets.names()).toEqual(["BOTH", "OWN"]);
  expect(await secrets.values(["OWN", "SHARED"])).toEqual({ OWN: "value-own" });
});

it("code has held secrets from the first call on that was started with some", () => {
  const call = (id: string, given: unknown, started: boolean) =>
    ({ request: { call_id: id, arguments: given }, started }) as unknown as CallState;
  const turns = (...calls: CallState[]) => ({ turns: [{ calls }] as unknown as TurnState[] });
  const holds = { command: "true", credential_env: ["KEY"] };
  expect(heldSecrets(turns(), "a")).toBe(false);
  expect(heldSecrets(turns(call("a", { command: "true" }, true)), "a")).toBe(false);
  expect(heldSecrets(turns(call("a", "no object", true), call("b", null, true)), "a")).toBe(false);
  // Asked for and refused, or still parked: nothing of it has run.
  expect(heldSecrets(turns(call("a", holds, false), call("b", {}, true)), "b")).toBe(false);
  expect(heldSecrets(turns(call("a", holds, false)), "a")).toBe(true);
  expect(heldSecrets(turns(call("a", holds, true), call("b", {}, true)), "b")).toBe(true);
});

it("a secret may have any name that a variable may have, __proto__ too", async () => {
  const given = { ofRun: () => undefined, namesOfRun: () => [] };
  const workspaceValue = async (name: string) => `value-of-${name}`;
  const values = await openSecretValues({ ...given, workspaceValue }).values(["__proto__"]);
  expect(Object.entries(values)).toEqual([["__proto__", "value-of-__proto__"]]);
});
