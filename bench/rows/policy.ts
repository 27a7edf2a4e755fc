import { type Look, openAnalysis } from "../../src/analysis/analysis.ts";
import { type Decision, decide, type Power } from "../../src/policy/policy.ts";
import type { Bench, Group } from "../group.ts";
import { quantile } from "../measure.ts";
import { atMost, type Row } from "../row.ts";

const commandBytes = 2_048;

/** As a coder's agent has it: every word of each command is held against the patterns. */
const power: Power = {
  capabilities: [
    { type: "CodeExecution", patterns: ["python3 ", "node ", "npm install", "bash -c ", "*"] },
    { type: "NetworkAccess", hosts: ["*"] },
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
      cold.push(await decideOnce(command));
      repeated.push(await decideOnce(command));
    }
    const kilobytes = Math.max(20, rounds / 20);
    const perKilobyte = {
      arbitrary: await each(kilobytes, (round) => timed(arbitraryText(round))),
      nested: await each(kilobytes, (round) => timed(nestedCommand(round))),
    };
    const perKilobyteRow = (name: keyof typeof perKilobyte, what: string) => ({
      ...{ name: `policy.${name}`, unit: "ms", target: atMost(5) },
      what: `decision about ${what}, p50 per KB`,
      value: quantile(perKilobyte[name], 0.5),
      detail: `${kilobytes} different texts of 1 KB`,
    });
    const row = (name: string, what: string, samples: number[], share: number, target: number) => ({
      ...{ name: `policy.${name}`, what, unit: "ms", target: atMost(target) },
      value: quantile(samples, share),
      detail: `${rounds} different commands of ${commandBytes} bytes`,
    });
    return [
      row("cold_p50", "decision about a new command of 2 KB, p50", cold, 0.5, 5),
      row("cold_p99", "decision about a new command of 2 KB, p99", cold, 0.99, 15),
      row("repeated", "decision about a command that was seen before, p50", repeated, 0.5, 0.1),
      perKilobyteRow("arbitrary", "arbitrary pieces of shell"),
      perKilobyteRow("nested", "commands inside commands"),
    ];
  },
};

/** One after the other, as calls of runs come. */
async function each(count: number, work: (round: number) => Promise<number>): Promise<number[]> {
  const all: number[] = [];
  for (let round = 0; round < count; round++) all.push(await work(round));
  return all;
}

async function decideOnce(command: string): Promise<number> {
  const start = performance.now();
  const { decision } = await decideAbout(command);
  const took = performance.now() - start;
  if (decision !== "allow") throw new Error(`The sample command gets ${decision}`);
  return took;
}

/** The same for a text that may get any verdict, as long as it gets one. */
async function timed(command: string): Promise<number> {
  const start = performance.now();
  await decideAbout(command);
  return performance.now() - start;
}

const analysis = openAnalysis();
/** No file lies beside the command. */
const look: Look = {
  read: async () => undefined,
  packageHosts: { python: [], javascript: [], go: [], rust: [], other: [] },
};

/** The whole way: the command is read, looked through for the network, and held against the policy. */
async function decideAbout(command: string): Promise<Decision> {
  const { command: read, findings } = await analysis.command(command, look);
  const need = { type: "CodeExecution", command: read, shown: command, findings } as const;
  return decide({ ...need, network: "granted", installsFrom: null, secrets: [] }, power);
}

const pieces = [
  ...["python3 ", "rm -r x", "ls", "env A=b ", "sh -c ", "eval ", "xargs ", "find . -exec ", "$x"],
  ...[
    " ",
    "\n",
    ";",
    "&&",
    "|",
    "'",
    '"',
    "`",
    "$(",
    "${",
    "((",
    ")",
    "}",
    "<<A",
    "\nA\n",
    "<(",
    "#",
  ],
  ...["if ", "then ", "fi", "case x in ", "esac", "for x in ", "do ", "done", "\\", "=", "*", "é"],
];

/** Pieces of shell in an order that means nothing, 1 KB of them: what a parser has to get lost in. */
function arbitraryText(round: number): string {
  let text = "";
  for (let state = round + 1; text.length < 1_024; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += pieces[(state >>> 8) % pieces.length];
  }
  return text.slice(0, 1_024);
}

/** Commands inside commands, eight deep, until there is 1 KB of them. */
function nestedCommand(round: number): string {
  const leaf = `python3 "a${round}.py"`;
  const one = Array.from({ length: 8 }).reduce<string>(
    (inner, _, depth) => (depth % 2 === 0 ? `if ( ${inner} ); then ls; fi` : `wc $( ${inner} )`),
    leaf,
  );
  const count = Math.floor(1_024 / (one.length + 1));
  const body = Array.from({ length: count }, () => one).join("\n");
  return `${body}#${"-".repeat(Math.max(0, 1_024 - body.length - 1))}`;
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
