import { Problem } from "../contract/problem.ts";

/** Whether only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * A web page can point a name of its own at 127.0.0.1 and so talk to a gateway on the reader's machine (DNS rebinding);
 * its requests then carry that name. On a loopback address only the machine's own names pass.
 */
export function checkHost(header: string | undefined, boundHost: string): void {
  if (!isLoopback(boundHost)) return;
  const name = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::\d{1,5})?$/.exec(header ?? "")?.[1];
  const host = name?.replace(/^\[|\]$/g, "").toLowerCase();
  if (host !== undefined && [boundHost, "localhost", "127.0.0.1", "::1"].includes(host)) return;
  throw new Problem(
    "invalid_request",
    `Cannot serve the host ${JSON.stringify((header ?? "").slice(0, 100))}: ` +
      `expected localhost, 127.0.0.1, [::1] or ${boundHost}`,
  );
}
