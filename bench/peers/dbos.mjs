/** Durable steps in Postgres: each step's result is committed before the next begins. */
import { DBOS } from "@dbos-inc/dbos-sdk";

export async function open({ databaseUrl }) {
  DBOS.setConfig({ name: "bench", systemDatabaseUrl: databaseUrl, logLevel: "error" });
  const steps = DBOS.registerWorkflow(
    async (count) => {
      for (let step = 0; step < count; step++) {
        await DBOS.runStep(async () => step, { name: "step" });
      }
    },
    { name: "steps" },
  );
  await DBOS.launch();
  return {
    async run(runs, stepsEach) {
      const handles = await Promise.all(
        Array.from({ length: runs }, () => DBOS.startWorkflow(steps)(stepsEach)),
      );
      await Promise.all(handles.map((handle) => handle.getResult()));
    },
    close: () => DBOS.shutdown(),
  };
}
