import type { Approvals } from "../../src/approvals/approvals.ts";
import type { Explanation } from "../../src/contract/explanation.ts";
import { Problem } from "../../src/contract/problem.ts";
import type { Interactions } from "../../src/interactions/interactions.ts";

const nothing = async (_workspaceId: string, id: string): Promise<never> => {
  throw new Problem("not_found", `There is no approval ${JSON.stringify(id)}`);
};

/** What a workspace has whose agents never asked. */
export const emptyApprovals: Approvals = {
  list: async () => ({ approvals: [] }),
  ...{ get: nothing, approve: nothing, deny: nothing, revoke: nothing },
};

const notAsked = async (_workspaceId: string, id: string): Promise<never> => {
  throw new Problem("not_found", `There is no interaction ${JSON.stringify(id)}`);
};

export const emptyInteractions: Interactions = {
  ...{ list: async () => ({ interactions: [] }), get: notAsked, answer: notAsked },
};

/** What a policy says that has nothing against it. */
export const allowed: Explanation = {
  ...{ decision: "allow", rule: "CodeExecution *", reasons: [] },
  ...{ commands: [], findings: [], hosts: [] },
};
