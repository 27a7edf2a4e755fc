import type { ProxyRequest } from "./proxy.ts";
import { ProxyRefused } from "./proxy-refused.ts";
import type { SecretSearch } from "./redact.ts";

/**
 * A request that carries the run's canary is not sent: it is refused when path, query or headers hold it, and cut off at the
 * piece of the body that completes it. Who looks for it is told by the search itself. Throws `policy_denied`.
 */
export function withoutCanary(request: ProxyRequest, canary: SecretSearch): ProxyRequest {
  const head = [request.path, request.query, ...request.headers.flat()].join("\0");
  if (canary.start().push(Buffer.from(head))) throw refusal();
  return request.body === null ? request : { ...request, body: watched(request.body, canary) };
}

async function* watched(
  body: AsyncIterable<Uint8Array>,
  canary: SecretSearch,
): AsyncIterable<Uint8Array> {
  const search = canary.start();
  for await (const chunk of body) {
    if (search.push(chunk)) throw refusal();
    yield chunk;
  }
}

function refusal(): ProxyRefused {
  return new ProxyRefused("policy_denied", "The call holds a secret that nothing has to send");
}
