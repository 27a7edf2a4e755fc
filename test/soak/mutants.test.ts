/**
 * Whether the tests of the two rooms that say yes and no would notice if the code were wrong: Stryker changes it in every
 * way that it knows, and at least four of five changes must make a test of the room fail. `npm test` tries one small file,
 * to show that this works; the whole rooms take about a quarter of an hour.
 */
import { expect, it } from "vitest";
import { mutate } from "../support/mutate.ts";
import { isSoak } from "../support/soak.ts";

const least = 80;
const minute = 60_000;

const rooms = isSoak
  ? ["policy", "approvals"].map((room) => ({
      name: `the room ${room}`,
      files: [`src/${room}/!(*.test|*.testing).ts`],
      tests: [`src/${room}/*.test.ts`],
    }))
  : [
      {
        name: "scopes of content",
        files: ["src/policy/scopes.ts"],
        tests: ["src/policy/policy.test.ts"],
      },
    ];

for (const { name, files, tests } of rooms) {
  it(
    `the tests notice at least ${least} % of the changes of ${name}`,
    async () => {
      const { score, mutants, survivors } = await mutate(files, tests);
      process.stdout.write(`${survivors.map((survivor) => `unnoticed: ${survivor}\n`).join("")}`);
      process.stdout.write(`${name}: ${score.toFixed(1)} % of ${mutants} changes are noticed\n`);
      expect(mutants).toBeGreaterThan(0);
      expect(score).toBeGreaterThanOrEqual(least);
    },
    isSoak ? 40 * minute : 2 * minute,
  );
}
