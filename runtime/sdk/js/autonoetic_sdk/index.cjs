/**
 * What code in a sandbox knows of its run, and asks of the gateway.
 *
 *   import { loadInvocation } from "autonoetic_sdk";
 *   const { input, hasRuntimeInput, meta } = loadInvocation();
 *
 * Nothing but what Node brings, Node 18 or newer. `airlock_sdk` is the same module.
 */
"use strict";

const { existsSync, readFileSync } = require("node:fs");

const socketPath = "/run/airlock-sdk/sdk.sock";
const answerMax = 16 * 1024 * 1024;
const timeoutMs = 60_000;

/** Something that was asked of the gateway was not done; `errorType` says of what kind the reason is. */
class AutonoeticSdkError extends Error {
  constructor(message, errorType = "execution") {
    super(message);
    this.name = new.target.name;
    this.errorType = errorType;
  }
}
/** The agent does not have the power for it. */
class PolicyViolation extends AutonoeticSdkError {}
/** Too much was asked for in too little time, or by one run. */
class RateLimitExceeded extends AutonoeticSdkError {}
/** A person has to say yes first. */
class ApprovalRequiredError extends AutonoeticSdkError {
  constructor(message, errorType = "approval_required", secretName = null) {
    super(message, errorType);
    this.secretName = secretName;
  }
}

/** Reads the input of this script from what the gateway has set; never from arguments or standard input. */
function loadInvocation() {
  const given = givenOf("INPUT");
  const meta = parsed(givenOf("META"));
  const isObject = typeof meta === "object" && meta !== null && !Array.isArray(meta);
  const hasRuntimeInput = given !== undefined;
  return {
    input: given === undefined ? null : parsed(given),
    hasRuntimeInput,
    has_runtime_input: hasRuntimeInput,
    meta: isObject ? meta : {},
  };
}

function givenOf(name) {
  for (const prefix of ["AUTONOETIC_", "AIRLOCK_"]) {
    const path = process.env[`${prefix}${name}_PATH`];
    if (path) return readFileSync(path, "utf8");
    const value = process.env[prefix + name];
    if (value !== undefined) return value;
  }
  return undefined;
}

function parsed(text) {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // A text, and no JSON.
    return text;
  }
}

/** One connection for all calls of a client; they are answered in order. */
class Line {
  #waiting = new Map();
  #last = 0;
  #socket;
  #text = "";

  call(method, params) {
    return new Promise((resolve, reject) => {
      this.#last += 1;
      const id = this.#last;
      const request = JSON.stringify({ jsonrpc: "2.0", id, method, params });
      this.#connect();
      this.#waiting.set(id, { resolve, reject });
      this.#socket.ref();
      this.#socket.write(`${request}\n`);
    });
  }

  close() {
    this.#socket?.destroy();
  }

  #connect() {
    if (this.#socket !== undefined) return;
    if (!existsSync(socketPath)) {
      const message = "This agent has no SandboxFunctions for calls of the SDK";
      throw new PolicyViolation(message, "policy_violation");
    }
    const socket = require("node:net").connect(socketPath);
    this.#socket = socket;
    this.#text = "";
    socket.setEncoding("utf8").setTimeout(timeoutMs);
    socket.on("data", (piece) => this.#read(piece));
    socket.on("timeout", () => socket.destroy(new Error("it took too long")));
    socket.on("error", (error) => this.#end(error));
    socket.on("close", () => this.#end(new Error("the connection was closed")));
  }

  #read(piece) {
    const lines = (this.#text + piece).split("\n");
    this.#text = lines.pop();
    if (this.#text.length > answerMax) this.#socket.destroy(new Error("the answer is too long"));
    for (const line of lines) this.#answer(JSON.parse(line));
    // A script that has nothing more to do may end.
    if (this.#waiting.size === 0) this.#socket.unref();
  }

  #answer({ id, result, error }) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(failureOf(error));
  }

  #end(error) {
    this.#socket = undefined;
    for (const { reject } of this.#waiting.values()) {
      reject(new AutonoeticSdkError(`The gateway did not answer: ${error.message}`));
    }
    this.#waiting.clear();
  }
}

function failureOf({ message, data }) {
  const kind = data?.error_type ?? "execution";
  if (kind === "policy_violation") return new PolicyViolation(message, kind);
  if (kind === "rate_limit_exceeded") return new RateLimitExceeded(message, kind);
  if (kind === "approval_required") {
    return new ApprovalRequiredError(message, kind, data.secret_name ?? null);
  }
  return new AutonoeticSdkError(message, kind);
}

/** A client of the gateway. Its calls are decided, limited and written down like everything that a run does. */
function init() {
  const line = new Line();
  const call = (method, params) => line.call(method, params);
  const valueIn = (found, otherwise) => (found.found ? found.value : otherwise);
  const memory = {
    read: async (key, otherwise = null) => valueIn(await call("memory.read", { key }), otherwise),
    write: (key, value) => call("memory.write", { key, value }),
    listKeys: async (prefix = "") => (await call("memory.list_keys", { prefix })).keys,
    remember: (
      id,
      content,
      { scope = "sdk", tags = [], visibility = "private", sharedWith = [] } = {},
    ) =>
      call("knowledge.remember", { id, content, scope, tags, visibility, shared_with: sharedWith }),
    async recall(id) {
      const found = await call("knowledge.recall", { id });
      return found.found ? found.content : null;
    },
    search: async (query = "", { scope = "sdk", tags = [], limit = 10 } = {}) =>
      (await call("knowledge.search", { query, scope, tags, limit })).results,
  };
  const state = {
    checkpoint: (value) => call("state.checkpoint", { value }),
    getCheckpoint: async (otherwise = null) =>
      valueIn(await call("state.get_checkpoint", {}), otherwise),
  };
  const events = { emit: (type, data = null) => call("events.emit", { type, data }) };
  const unsupported = (name) =>
    new Proxy(
      {},
      {
        get: (_, method) =>
          typeof method === "string" && method !== "then"
            ? () => call(`${name}.${method}`, {})
            : undefined,
      },
    );
  return {
    memory,
    knowledge: memory,
    state,
    events,
    secrets: unsupported("secrets"),
    message: unsupported("message"),
    files: unsupported("files"),
    artifacts: unsupported("artifacts"),
    tasks: unsupported("tasks"),
    close: () => line.close(),
  };
}

module.exports = {
  loadInvocation,
  load_invocation: loadInvocation,
  init,
  AutonoeticSdkError,
  PolicyViolation,
  RateLimitExceeded,
  ApprovalRequiredError,
};
