/**
 * What a submission must not hold wherever it is, with what to do instead. Looked for in what came, before it is held
 * against its schema: there it would be one unknown member among others.
 */
export interface SubmissionFault {
  path: (string | number)[];
  message: string;
}

const credentialKeys = new Set([
  ...["providerApiKey", "anthropicApiKey", "apiKey", "accessToken", "refreshToken", "password"],
  ...["mcpCredentials", "credentials"],
]);

const where =
  "is a place for no credential: a submission is written down; expected the key of a model in secrets.<provider>.apiKey, the headers of an MCP server in secrets.mcpServers, the credential of an endpoint in secrets.proxyEndpointAuth, and any other in secrets.env";

/** The one sentence about servers that are programs. */
const noStdio =
  "MCP servers over stdio are not run by Airlock; expected a remote server over HTTP, by its url";

export function submissionFaults(given: unknown): SubmissionFault[] {
  if (!isObject(given)) return [];
  const { secrets: _, ...written } = given;
  return [...credentialsIn(written), ...mcpFaults(written.mcpServers)];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** More of them say nothing new. */
const faultsMost = 100;

/** A value that is still to be looked at. Where it is is put together only for what is told: a path may be megabytes. */
interface Open {
  value: object;
  key: string | number;
  above: Open | undefined;
}

/** At most `faultsMost`, in the order of what they are in. Depth is bounded by whoever parsed it. */
function credentialsIn(written: Record<string, unknown>): SubmissionFault[] {
  const found: SubmissionFault[] = [];
  const open: Open[] = [{ value: written, key: "", above: undefined }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value } = next;
    const isList = Array.isArray(value);
    const inside: Open[] = [];
    for (const [key, inner] of Object.entries(value)) {
      const place = { value: inner, key: isList ? Number(key) : key, above: next };
      if (!isList && credentialKeys.has(key)) {
        found.push({ path: pathOf(place), message: where });
        if (found.length === faultsMost) return found;
      } else if (typeof inner === "object" && inner !== null && !isAgentIo(place)) {
        inside.push(place);
      }
    }
    for (const one of inside.reverse()) open.push(one);
  }
  return found;
}

/** What an agent is to be given is described there, not given. */
function isAgentIo({ key, above }: Open): boolean {
  return key === "io" && above?.key === "agent" && above.above?.above === undefined;
}

function pathOf({ key, above }: Open): (string | number)[] {
  const path = [key];
  // All but the submission itself, which is in nothing.
  for (let at = above; at?.above !== undefined; at = at.above) path.push(at.key);
  return path.reverse();
}

function mcpFaults(servers: unknown): SubmissionFault[] {
  if (!Array.isArray(servers)) return [];
  return servers.flatMap((server: unknown, at): SubmissionFault[] => {
    if (!isObject(server)) return [];
    const path = ["mcpServers", at];
    const isProgram = ["command", "args", "env"].some((key) => Object.hasOwn(server, key));
    if (server.transport === "stdio" || isProgram) return [{ path, message: noStdio }];
    if (server.transport === "sse") {
      const message =
        "the transport of servers before 2025 is not spoken; expected http, or no transport, and the URL of its streamable HTTP endpoint";
      return [{ path: [...path, "transport"], message }];
    }
    if (!Object.hasOwn(server, "headers")) return [];
    const message =
      "is written down with the submission; expected headers in secrets.mcpServers, under the same name and url";
    return [{ path: [...path, "headers"], message }];
  });
}
