import { onTestFinished } from "vitest";
import { loadReferenceAgents, openAgentLibrary } from "../../src/agents/agents.ts";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import { openThreads } from "../../src/base/threads.ts";
import { openBlobs } from "../../src/content/content.ts";
import { allowList, checkUpstreamUrl } from "../../src/egress/egress.ts";
import type { Corridor } from "../../src/run/run.ts";
import { openFrontDoor } from "./front-door.ts";
import { openSampleStore } from "./sample-store.ts";
import { tempDir } from "./temp-dir.ts";

/** The front door before a real library of agents, on a disk of its own. */
export async function openAgentRoom() {
  const dir = await tempDir("agents");
  const log = openLog("silent");
  const threads = openThreads({ log });
  onTestFinished(() => threads.close());
  const store = await openSampleStore(dir);
  const blobs = await openBlobs({ dir, clock: systemClock, log, threads });
  const agents = openAgentLibrary({
    ...{ rows: store.agents, blobs, reference: await loadReferenceAgents() },
    checkHosts: (hosts) => void allowList(hosts),
    checkUrl: (field, url) => checkUpstreamUrl(field, url, []),
  });
  const upload: Corridor["upload"] = (source, maxBytes) => blobs.putStream(source, maxBytes);
  const door = openFrontDoor();
  const front = openFrontDoor({ agents, corridor: { ...door.corridor, upload } });
  const server = await front.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close(0));
  return { ...front, url: server.url, store, blobs, agents };
}
