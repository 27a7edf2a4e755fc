import { Problem } from "../contract/problem.ts";
import type { agentRoutes } from "./agent-routes.ts";
import type { approvalRoutes } from "./approval-routes.ts";
import type { bundleRoutes } from "./bundle-routes.ts";
import type { forkRoutes } from "./fork-routes.ts";
import type { Answers, Front } from "./front.ts";
import type { interactionRoutes } from "./interaction-routes.ts";
import type { inventoryRoutes } from "./inventory-routes.ts";
import type { proxyRoutes, secretRoutes } from "./secret-routes.ts";

type GatewayRoutes = Exclude<
  keyof Answers,
  | "submitRun"
  | "listRuns"
  | "getRun"
  | "deleteRun"
  | "cancelRun"
  | "stopRun"
  | "runTree"
  | "runEvents"
  | "listOutputs"
  | "getOutput"
  | "getArchive"
  | keyof typeof agentRoutes
  | keyof typeof approvalRoutes
  | keyof typeof bundleRoutes
  | keyof typeof forkRoutes
  | keyof typeof interactionRoutes
  | keyof typeof inventoryRoutes
  | keyof typeof secretRoutes
  | keyof typeof proxyRoutes
>;

/** Tokens, upkeep and what the gateway says about itself. */
export function answerGateway(front: Front, document: unknown): Pick<Answers, GatewayRoutes> {
  const { tokens, upkeep } = front;
  return {
    whoami({ c, caller: { token } }) {
      return c.json({
        principalType: "api_token",
        workspaceId: token.workspaceId,
        workspaceName: token.workspaceName,
        tokenId: token.id,
        tokenName: token.name,
        scopes: token.scopes,
        caps: front.caps,
      });
    },

    attestationKey({ c }) {
      return c.json({ key: front.attestationKey });
    },

    async createToken({ c, caller, body }) {
      const made = await tokens.create({
        name: body.name,
        workspaceName: body.workspace ?? caller.token.workspaceName,
        scopes: [...new Set(body.scopes)],
      });
      return c.json(made, 201);
    },

    async listTokens({ c }) {
      return c.json({ tokens: await tokens.list() });
    },

    async revokeToken({ c, params }) {
      const token = await tokens.revoke(params.id);
      if (token === undefined) throw new Problem("not_found", `No token has the id "${params.id}"`);
      return c.json({ token });
    },

    async verify({ c }) {
      return c.json({ report: await upkeep.verify() });
    },

    async gc({ c, body }) {
      return c.json({ report: await upkeep.gc({ dryRun: body.dryRun }) });
    },

    async doctor({ c }) {
      return c.json({ report: await upkeep.doctor() });
    },

    healthz({ c }) {
      return c.json({ status: "ok" });
    },

    readyz({ c }) {
      const { ok, reason } = front.ready();
      if (ok && !front.closing.aborted) return c.json({ status: "ok" });
      const why = front.closing.aborted ? "The gateway is stopping" : (reason ?? "Not ready yet");
      return c.json({ status: "unavailable", reason: why }, 503);
    },

    openapi({ c }) {
      return c.json(document as Record<string, never>);
    },
  };
}
