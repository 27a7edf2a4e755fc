import type { ArtifactProof } from "../sdk/sdk.ts";
import { plainLine } from "./plain.ts";
import type { Printer } from "./print.ts";
import { table } from "./words.ts";

/** What a proof says, on one line, for a list of them. */
export function proofLine({ color }: Printer, proof: ArtifactProof): string {
  const mark = proof.passed ? color.green("✓") : color.red("✗");
  const { isolation, network, createdAt, runId } = proof;
  const how = `${endOf(proof)}, grade ${isolation.grade}, network ${network}`;
  return `${mark} ${startOf(proof)}: ${how}, ${createdAt}, ${runId}`;
}

/** All of a proof, so that it can be copied into a review as it stands. */
export async function showProof(
  print: Printer,
  artifactId: string,
  proof: ArtifactProof,
): Promise<void> {
  const { passed, isolation, output } = proof;
  const verdict = passed
    ? `${print.color.green("✓")} Proved: ${startOf(proof)} works with nothing but the artifact`
    : `${print.color.red("✗")} Not proved: ${startOf(proof)}: ${endOf(proof)}`;
  await print.line(verdict);
  const { grade, sandbox, limits, ownUid } = isolation;
  const uid = ownUid ? "a user of its own" : "the gateway's user";
  const rows = [
    ["artifact", artifactId],
    ["digest", proof.artifactDigest],
    ...proof.layers.map((digest) => ["layer", digest]),
    ["ended with", endOf(proof)],
    ...(output === null
      ? []
      : [
          ["stdout", output.stdout],
          ["stderr", output.stderr],
        ]),
    ["isolation", `grade ${grade}: ${plainLine(sandbox)}, ${limits}, ${uid}`],
    ["network", proof.network],
    ["run", proof.runId],
    ["time", proof.createdAt],
  ];
  for (const line of table(rows)) await print.line(`  ${line}`);
}

/** The program with its arguments, or the command. */
function startOf({ entrypoint, command, args }: ArtifactProof): string {
  if (entrypoint === null) return plainLine(command ?? "");
  const words = args.map((text) => (/^[\w./:=@%+,-]+$/.test(text) ? text : JSON.stringify(text)));
  return plainLine([entrypoint, ...words].join(" "));
}

function endOf({ exitCode }: ArtifactProof): string {
  return exitCode === null ? "no exit code: it was killed" : `exit code ${exitCode}`;
}
