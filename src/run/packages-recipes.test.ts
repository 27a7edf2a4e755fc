import { expect, it } from "vitest";
import { shellQuoted } from "../tools/tools.ts";
import { recipes, wantedPackages } from "./packages-recipes.ts";

it("asks gem for gems: what stands behind `--` would be options of the compiler, and no gem", () => {
  const packages = [{ name: "gem:jekyll", version: "4.3.2" }, { name: "gem:rake" }];
  const [wanted] = wantedPackages({ environment: { packages } });
  expect(wanted).toEqual({ ecosystem: "gem", specs: ["jekyll:4.3.2", "rake"] });
  const command = recipes.gem.command((wanted?.specs ?? []).map(shellQuoted), "/opt/packages/gem");
  expect(command).toMatch(/^gem install .* 'jekyll:4.3.2' 'rake'$/);
  expect(command).not.toMatch(/ -- /);
});
