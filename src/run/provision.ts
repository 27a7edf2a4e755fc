import type { Place } from "../sandbox/sandbox.ts";
import type { Drive } from "./drive.ts";

/** Gives the run its directories with its inputs, and writes down what isolation the host gives. */
export async function provision(drive: Drive): Promise<void> {
  await openPlace(drive);
  await drive.ledger.append({
    type: "run.provisioned",
    data: { isolation: drive.sandbox.isolation },
  });
}

/**
 * The run's directories. Inputs are placed only until `run.provisioned` is in the journal: afterwards the run may have
 * changed them, and what it changed is its own.
 */
export async function openPlace(drive: Drive): Promise<Place> {
  if (drive.place) return drive.place;
  const { snapshot, provisioned } = drive.ledger.state;
  if (drive.sandbox.isolation.ownUid) drive.uid ??= await drive.takeUid();
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
  });
  return drive.place;
}
