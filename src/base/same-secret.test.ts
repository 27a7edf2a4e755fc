import { expect, it } from "vitest";
import { isSameSecret } from "./same-secret.ts";

it("only the very same secret is right, and none is never", () => {
  expect(isSameSecret("airlock_run_abc", "airlock_run_abc")).toBe(true);
  for (const wrong of ["", "airlock_run_ab", "airlock_run_abcd", "AIRLOCK_RUN_ABC"]) {
    expect(isSameSecret(wrong, "airlock_run_abc")).toBe(false);
  }
  expect(isSameSecret("", "")).toBe(false);
});
