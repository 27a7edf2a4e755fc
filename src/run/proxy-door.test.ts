import { expect, it } from "vitest";
import { openProxyDoor } from "./proxy-door.ts";

it("a run that comes to the door has missed no change of its secrets: it looks again once it can be told", async () => {
  const door = openProxyDoor();
  const vault = { value: "first" };
  let spent = vault.value;
  // After the run has opened its secrets, and before it is here: nobody can tell it.
  vault.value = "second";
  await door.secretsChanged("ws");
  const refresh = async () => {
    spent = vault.value;
  };
  const atWork = { workspaceId: "ws", runToken: "t", proxy: undefined, refresh };
  const leave = await door.add("run", atWork);
  expect(spent).toBe("second");

  vault.value = "third";
  await door.secretsChanged("ws");
  expect(spent).toBe("third");
  leave();
  vault.value = "fourth";
  await door.secretsChanged("ws");
  expect(spent).toBe("third");
});
