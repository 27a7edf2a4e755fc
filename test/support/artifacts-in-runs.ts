import { expect } from "vitest";
import type { CapturedLayer } from "../../src/contract/layer.ts";
import type { CallAnswer, DirectedRun } from "./directed-run.ts";

/** Writes content, by name. */
export async function write(run: DirectedRun, files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const answer = await run.call("content_write", { name, content });
    expect(answer, JSON.stringify(answer)).toMatchObject({ ok: true });
  }
}

/** Makes a layer of files, by path below where it is captured. */
export async function captureFiles(
  run: DirectedRun,
  at: { path: string; mount_as?: string },
  files: Record<string, string>,
): Promise<CapturedLayer> {
  const commands = Object.entries(files).map(([name, text]) => {
    const path = quoted(`${at.path}/${name}`);
    return `mkdir -p "$(dirname ${path})" && printf %s ${quoted(text)} > ${path}`;
  });
  const command = commands.join(" && ");
  const answer = await run.call("sandbox_exec", { command, capture_paths: [at] });
  expect(answer, JSON.stringify(answer)).toMatchObject({ ok: true });
  const [layer] = answer.captured_layers as CapturedLayer[];
  if (layer === undefined) throw new Error("Nothing was captured");
  return layer;
}

export interface BuiltArtifact extends CallAnswer {
  artifact_id: string;
  artifact_ref: string;
  artifact_digest: string;
}

export async function buildArtifact(run: DirectedRun, args: object): Promise<BuiltArtifact> {
  const answer = await run.call("artifact_build", args);
  expect(answer, JSON.stringify(answer)).toMatchObject({ ok: true });
  return answer as BuiltArtifact;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
