import type { ArchiveReport, PinnedKey } from "../attest/attest.ts";
import type { Context } from "./context.ts";
import { exit, usage } from "./exit.ts";
import { plain, plainLine } from "./plain.ts";
import { count, showBytes } from "./words.ts";

const silentMs = 1_000;

/** `airlock verify <archive>`: needs nothing but the file, and no gateway. */
export async function verifyFile(
  context: Context,
  path: string,
  options: { key?: string },
): Promise<number> {
  const { print } = context;
  // Loaded when it is needed: no other command reads archives.
  const { readPinnedKey, verifyArchive } = await import("../attest/attest.ts");
  const key = options.key === undefined ? undefined : await readKey(options.key, readPinnedKey);
  const onProgress = progress(context);
  const report = await verifyArchive(path, { onProgress, ...(key ? { key } : {}) }).catch(
    (error: Error) => {
      throw usage(`Cannot verify ${path}: ${error.message}`);
    },
  );
  if (print.json) await print.value({ archive: path, ...report });
  else await say(context, path, report);
  return report.ok ? exit.ok : exit.failed;
}

async function readKey(
  text: string,
  read: (text: string) => Promise<PinnedKey>,
): Promise<PinnedKey> {
  return await read(text).catch((error: Error) => {
    throw usage(error.message, "Name the key of the gateway: airlock attestation-key > key.pem");
  });
}

/** Nothing for what is over in a moment; then how much has been read. */
function progress({ print }: Context): (done: number, all: number) => void {
  const begun = performance.now();
  let shown = "";
  return (done, all) => {
    if (performance.now() - begun < silentMs) return;
    const words = `verifying: ${showBytes(done)} of ${showBytes(all)}`;
    if (words === shown) return;
    shown = words;
    print.spinner.show(words);
  };
}

async function say({ print }: Context, path: string, report: ArchiveReport): Promise<void> {
  const { color } = print;
  const { faults, faultCount, key, run } = report;
  for (const { message } of faults) await print.line(`${color.red("✗")} ${plainLine(message)}`);
  const more = faultCount - faults.length;
  if (more > 0) await print.line(`${color.red("✗")} … and ${more} more`);
  const good = `${color.green("✓")} ${plain(path)} is as it was signed`;
  const bad = `${color.red("✗")} ${plain(path)}: ${count(faultCount, "fault")}`;
  await print.line(report.ok ? good : bad);
  if (run === null) return;
  const what = [
    `${run.status}${report.partial === true ? " (the run had not ended: partial)" : ""}`,
    count(report.events, "event"),
    count(report.outputs, "output"),
    ...(report.missing > 0 ? [`${report.missing} missing, see manifest.json`] : []),
    showBytes(report.bytes),
  ].join(", ");
  await print.line(`  run ${plainLine(run.id)}: ${what}`);
  await print.line(`  signed by ${key.id}${key.pinned ? "" : ", which you did not name:"}`);
  if (!key.pinned) await print.line("  compare it with the gateway's own: airlock attestation-key");
}
