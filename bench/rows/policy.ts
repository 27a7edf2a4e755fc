import { readCommand } from "../../src/analysis/analysis.ts";
import { decide, type Power } from "../../src/policy/policy.ts";
import type { Bench, Group } from "../group.ts";
import { quantile } from "../measure.ts";
import { atMost, type Row } from "../row.ts";

const commandBytes = 2_048;

/** As a coder's agent has it: every word of each command is held against the patterns. */
const power: Power = {
  capabilities: [
    { type: "CodeExecution", patterns: ["python3 ", "node ", "npm install", "bash -c ", "*"] },
  ],
};

/** What a decision costs, from the text of a command to the verdict. */
export const policyRows: Group = {
  name: "policy",
  async run(bench: Bench): Promise<Row[]> {
    const rounds = bench.quick ? 200 : 5_000;
    const cold: number[] = [];
    const repeated: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const command = sampleCommand(round);
      cold.push(decideOnce(command));
      repeated.push(decideOnce(command));
    }
    const row = (name: string, what: string, samples: number[], share: number, target: number) => ({
      ...{ name: `policy.${name}`, what, unit: "ms", target: atMost(target) },
      value: quantile(samples, share),
      detail: `${rounds} different commands of ${commandBytes} bytes`,
    });
    return [
      row("cold_p50", "decision about a new command of 2 KB, p50", cold, 0.5, 5),
      row("cold_p99", "decision about a new command of 2 KB, p99", cold, 0.99, 15),
      row("repeated", "decision about a command that was seen before, p50", repeated, 0.5, 0.1),
    ];
  },
};

function decideOnce(command: string): number {
  const start = performance.now();
  const { decision } = decide(
    {
      ...{ type: "CodeExecution", command: readCommand(command), shown: command, findings: [] },
      ...{ network: "granted", installsFrom: null },
    },
    power,
  );
  const took = performance.now() - start;
  if (decision !== "allow") throw new Error(`The sample command gets ${decision}`);
  return took;
}

/** A command like those that models write, no two of them the same. */
function sampleCommand(round: number): string {
  const part = `for file in src/*.py tests/*.py; do
  python3 -m py_compile "$file" || { echo "bad $file" >&2; exit 1; }
done
find . -name '*.log' -newer stamp -exec grep -l "x$(date +%s)" {} + | sort -u | xargs -n 10 wc -l
timeout 300 env LC_ALL=C python3 -c "import json; print(json.dumps({'round': ${round}}))"
awk -F, '{ sum += $2 } END { print sum }' data.csv | sed -e 's/a/b/g' > "out-$(hostname).csv"
bash -c 'git log --format=%H | head -5'
cat <<EOF >> report.txt
total: $(ls | wc -l)
EOF
`;
  const body = part.repeat(Math.floor(commandBytes / part.length));
  return `${body}#${"-".repeat(commandBytes - body.length - 1)}`;
}
