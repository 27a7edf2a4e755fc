import { z } from "zod";

/** A call that refuses the network, whatever the agent has: nothing about it has to be asked. */
export const NetworkNone = z
  .literal("none", { error: 'expected "none": what may be reached is decided by NetworkAccess' })
  .describe("Run without network even when there is one; then nobody is asked about it either");

/** The approval of an earlier call: its recorded result is wanted again. */
export const ApprovalRef = z
  .string()
  .max(200)
  .describe(
    "The request_id of an earlier call that was approved: answers with that call's recorded result. Other arguments may be left out, and must be the same when they are given",
  );
