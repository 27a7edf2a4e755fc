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

interface Part {
  files: string[];
  tests: string[];
}

/** Files of the room approvals that need no store: their tests take a second, and each change of a constant needs them all. */
const plain = "{binding,fetches-code,one-line,request,results,since-approved}";

const approvals: Part[] = [
  {
    files: [`src/approvals/${plain}.ts`],
    tests: [`src/approvals/${plain}.test.ts`, "src/approvals/fetching-words.test.ts"],
  },
  {
    files: ["src/approvals/!(*.test|*.testing).ts", `!src/approvals/${plain}.ts`],
    tests: ["src/approvals/*.test.ts"],
  },
];
const policy: Part[] = [
  { files: ["src/policy/!(*.test|*.testing).ts"], tests: ["src/policy/*.test.ts"] },
];
const scopes: Part[] = [{ files: ["src/policy/scopes.ts"], tests: ["src/policy/hosts.test.ts"] }];

const rooms: [string, Part[]][] = isSoak
  ? [
      ["the room policy", policy],
      ["the room approvals", approvals],
    ]
  : [["scopes of content", scopes]];

for (const [name, parts] of rooms) {
  it(
    `the tests notice at least ${least} % of the changes of ${name}`,
    async () => {
      let noticed = 0;
      const missed: string[] = [];
      for (const { files, tests } of parts) {
        const part = await mutate(files, tests);
        noticed += part.noticed;
        missed.push(...part.missed);
      }
      const all = noticed + missed.length;
      const score = (noticed / all) * 100;
      for (const survivor of missed) process.stdout.write(`unnoticed: ${survivor}\n`);
      process.stdout.write(`${name}: ${score.toFixed(1)} % of ${all} changes are noticed\n`);
      expect(all).toBeGreaterThan(0);
      expect(score).toBeGreaterThanOrEqual(least);
    },
    isSoak ? 40 * minute : 2 * minute,
  );
}
