import { isSameSecret } from "../base/same-secret.ts";
import type { ProxyError } from "../contract/proxy-call.ts";
import { answerProtocol, type RunProxy } from "../egress/egress.ts";

/** A run that is driven, as far as calls from outside of its sandbox are concerned. */
export interface ProxyAtWork {
  workspaceId: string;
  runToken: string;
  proxy: RunProxy | undefined;
  /** A secret of the workspace was set, rotated or deleted. */
  refresh: () => Promise<void>;
}

/** A call of an endpoint that came to the gateway's own API, in the protocol. */
export interface ProxyDoorRequest {
  runId: string;
  /** Of the token of the API; null: the caller shows the run's own. */
  workspaceId: string | null;
  runToken: string | null;
  endpoint: string;
  headers: Headers;
  body: ReadableStream<Uint8Array> | null;
  signal: AbortSignal;
}

export interface ProxyDoorAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** The way to the endpoints of runs from outside of their sandboxes: open as long as a run is driven. */
export interface ProxyDoor {
  /** Rejects when the run's secrets cannot be looked at; it is not there then. */
  add(runId: string, atWork: ProxyAtWork): Promise<() => void>;
  call(request: ProxyDoorRequest): Promise<ProxyDoorAnswer>;
  /** Every run of the workspace that is driven spends and hides what is there now. */
  secretsChanged(workspaceId: string): Promise<void>;
}

/** Opens the door; nothing is behind it yet. */
export function openProxyDoor(): ProxyDoor {
  const runs = new Map<string, ProxyAtWork>();
  return {
    async add(runId, atWork) {
      const leave = () => {
        if (runs.get(runId) === atWork) runs.delete(runId);
      };
      runs.set(runId, atWork);
      try {
        // A change between the opening of its secrets and here was told to nobody: it would never be hidden (I6).
        await atWork.refresh();
      } catch (error) {
        leave();
        throw error;
      }
      return leave;
    },
    async call({ runId, workspaceId, runToken, endpoint, headers, body, signal }) {
      const run = runs.get(runId);
      const mayEnter =
        workspaceId === null
          ? run !== undefined && runToken !== null && isSameSecret(runToken, run.runToken)
          : run === undefined || run.workspaceId === workspaceId;
      if (!mayEnter) return refusal(401, "unauthorized", "Show the token of this run");
      if (run === undefined) {
        const message = "The run is not at work: its endpoints are open only while it is";
        return refusal(403, "policy_denied", message);
      }
      if (run.proxy === undefined) {
        return refusal(404, "endpoint_not_found", "The run has no proxy endpoints");
      }
      return answerProtocol(run.proxy, {
        ...{ endpoint, door: "api", body, signal },
        headers: [...headers],
      });
    },
    async secretsChanged(workspaceId) {
      const affected = [...runs.values()].filter((run) => run.workspaceId === workspaceId);
      await Promise.all(affected.map((run) => run.refresh()));
    },
  };
}

function refusal(status: number, error: ProxyError["error"], message: string): ProxyDoorAnswer {
  return {
    status,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ error, message } satisfies ProxyError),
  };
}
