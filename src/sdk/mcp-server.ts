import type { RunSubmission } from "../contract/submission.ts";

/** A server as it is submitted: public, and without headers. */
export type McpServerDeclaration = NonNullable<RunSubmission["mcpServers"]>[number];
/** The headers with which a server is called. */
export type McpServerSecret = NonNullable<
  NonNullable<RunSubmission["secrets"]>["mcpServers"]
>[number];

export interface McpServerOptions {
  name: string;
  url: string;
  transport?: "http";
  /** Secrets of this run: they go with its secrets, and never with its record. */
  headers?: Record<string, string>;
  /** In their place: a secret of the run or the workspace, sent as a bearer token. */
  secret?: string;
  /** Tools that nobody is asked about: a name, a prefix ending in `*`, or `*`. */
  preapproved?: string[];
}

const local = ["command", "args", "env"];

/**
 * A remote MCP server whose tools a run may use, with the headers that the gateway sends for it. Printing one, or making JSON of
 * it, shows what is submitted and never a header.
 *
 * ```ts
 * McpServer.remote({ name: "docs", url: "https://mcp.example.org/mcp", headers: { authorization: `Bearer ${token}` } });
 * ```
 */
export class McpServer {
  readonly #declaration: McpServerDeclaration;
  readonly #secret: McpServerSecret | undefined;

  private constructor(declaration: McpServerDeclaration, secret: McpServerSecret | undefined) {
    this.#declaration = declaration;
    this.#secret = secret;
  }

  /** Throws a `TypeError` for what can be seen to be wrong; the gateway checks the rest. */
  static remote(options: McpServerOptions): McpServer {
    if (typeof options !== "object" || options === null) {
      throw new TypeError("McpServer.remote takes an object of options");
    }
    const { headers, ...declaration } = options;
    if (local.some((member) => member in options) || String(options.transport) === "stdio") {
      throw new TypeError(
        "McpServer.remote: programs over stdio are not supported, only remote servers over HTTP",
      );
    }
    for (const member of ["name", "url"] as const) {
      if (typeof options[member] === "string" && options[member] !== "") continue;
      throw new TypeError(`McpServer.remote: ${member} must be a string that is not empty`);
    }
    const { name, url } = options;
    const secret = headers === undefined ? undefined : { name, url, headers: { ...headers } };
    return new McpServer(declaration, secret);
  }

  get name(): string {
    return this.#declaration.name;
  }

  /** What stands in `mcpServers` of a submission. */
  toSubmissionEntry(): McpServerDeclaration {
    return { ...this.#declaration };
  }

  /** What stands in `secrets.mcpServers`; nothing for a server without headers. */
  toSecretEntry(): McpServerSecret | undefined {
    return this.#secret && { ...this.#secret, headers: { ...this.#secret.headers } };
  }

  toJSON(): McpServerDeclaration {
    return this.toSubmissionEntry();
  }
}

/** One of the `mcpServers` of a submission: what the factory made, or a declaration as the API has it. */
export type McpServerSource = McpServer | McpServerDeclaration;

/**
 * Takes servers apart into what everybody may read and what nobody may. `explicit` are the headers that the caller gives
 * himself: those of an instance win over them, unless the two are for different addresses. Then it throws a `TypeError`.
 */
export function splitMcpServers(
  sources: readonly McpServerSource[],
  explicit: readonly McpServerSecret[] = [],
): { declarations: McpServerDeclaration[]; secrets: McpServerSecret[] } {
  const declarations: McpServerDeclaration[] = [];
  const own: McpServerSecret[] = [];
  for (const [at, source] of sources.entries()) {
    if (typeof source !== "object" || source === null) {
      throw new TypeError(
        `mcpServers[${at}] must be made by McpServer.remote, or be a declaration`,
      );
    }
    if (!(source instanceof McpServer)) {
      declarations.push(source);
      continue;
    }
    declarations.push(source.toSubmissionEntry());
    const secret = source.toSecretEntry();
    if (secret === undefined) continue;
    const other = explicit.find(({ name, url }) => name === secret.name && url !== secret.url);
    if (other !== undefined) {
      const urls = `${JSON.stringify(secret.url)} conflicts with ${JSON.stringify(other.url)}`;
      throw new TypeError(`mcpServers[${at}]: ${urls} of secrets.mcpServers of the same name`);
    }
    own.push(secret);
  }
  const rest = explicit.filter(({ name }) => !own.some((secret) => secret.name === name));
  return { declarations, secrets: [...own, ...rest] };
}
