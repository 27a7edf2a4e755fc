/** A DNS server on loopback with a resolver that asks it and no other: what is asked can be counted. */
import { Resolver as Client } from "node:dns/promises";

import { openNameServer, type Zone } from "../../test/support/name-server.ts";
import type { Resolver } from "./resolve.ts";

export interface NameSink {
  resolver: Resolver;
  /** `A name` or `AAAA name` for each question that came. */
  asked: string[];
  close(): void;
}

export async function openNameSink(zone: Zone): Promise<NameSink> {
  const server = await openNameServer(zone, 0);
  const client = new Client({ timeout: 2_000, tries: 1 });
  client.setServers([`127.0.0.1:${server.port}`]);
  return {
    async resolver(name) {
      const both = await Promise.allSettled([client.resolve4(name), client.resolve6(name)]);
      const found = both.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
      if (found.length === 0) throw new Error(`No address of ${name}`);
      return found;
    },
    asked: server.asked,
    close() {
      client.cancel();
      server.close();
    },
  };
}
