import { bareSurroundings, type Place } from "../sandbox/sandbox.ts";
import type { Drive } from "./drive.ts";
import { isOneCall } from "./program.ts";
import { agentFolderOf } from "./script-agent.ts";

/** Gives the run its directories with its inputs, and writes down what isolation the host gives. */
export async function provision(drive: Drive): Promise<void> {
  const place = await openPlace(drive);
  const { ledger, sandbox } = drive;
  // Before anything else can be put there.
  const bundles = await drive.bundles.mounts();
  sandbox.makeDirectories(place, { ...bareSurroundings, bundles });
  const provisioned = { type: "run.provisioned", data: { isolation: sandbox.isolation } } as const;
  // Until its one call is started, nothing of such a run has run: it is provisioned again.
  if (isOneCall(ledger.state.snapshot)) await ledger.later(provisioned);
  else await ledger.append(provisioned);
}

/**
 * The run's directories. Inputs are placed only until `run.provisioned` is in the journal: afterwards the run may have
 * changed them, and what it changed is its own.
 */
export async function openPlace(drive: Drive): Promise<Place> {
  if (drive.place) return drive.place;
  const { snapshot, provisioned } = drive.ledger.state;
  if (drive.sandbox.isolation.ownUid) drive.uid ??= await drive.takeUid();
  // Here, so that what is damaged is found before anything of the run is done.
  await drive.bundles.mounts();
  const folder = agentFolderOf(drive);
  const files = provisioned ? [] : (snapshot.files ?? []);
  drive.place = await drive.sandbox.provision({
    runId: drive.runId,
    uid: drive.uid,
    outputDirs: provisioned ? [] : (snapshot.outputDirs ?? []),
    files: files.map(({ path, executable, sha256 }) => ({
      path,
      executable,
      sha256,
      read: async () => (await drive.blobs.read(sha256)).stream,
    })),
    own: await drive.ownFiles(),
    ...(folder ? { agent: folder } : {}),
  });
  return drive.place;
}
