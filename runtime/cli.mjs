/**
 * The command of a run's own code. It speaks the proxy protocol to the gateway, by way of the relay, and lists what a
 * directory would hand back:
 *
 *   /airlock/airlock proxy <endpoint> [options]
 *   /airlock/airlock outputs sync <dir>…
 *
 * It reads two files of fixed name and takes no word of the environment, so whoever starts it cannot have the run's token
 * sent anywhere else. It checks what cannot be sent; all else is the gateway's to decide. There is nothing else here: what
 * drives runs from outside has no place inside of one.
 *
 * Exit codes: 0 the upstream answered, or every directory was looked at; 1 the upstream did not answer (a JSON object on
 * stderr says why); 2 wrong usage.
 */
import { createReadStream, createWriteStream, fstatSync, openSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { filesBelow, missing } from "./files-below.mjs";

const manifestPath = "/airlock/index.json";
const tokenPath = "/airlock/run-token";
const protocol = "1";
const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
const modes = ["status_only", "headers_only", "full"];
const MiB = 1024 * 1024;
/** The most that any endpoint takes. */
const bodyMax = 64 * MiB;
/** A whole answer is one text in memory; the plain way to an endpoint has no such limit. */
const answerMax = 128 * MiB;

const usage = `Usage: /airlock/airlock proxy <endpoint> [options]
       /airlock/airlock outputs sync <dir>…

proxy calls an endpoint of this run through the gateway, which adds the credential.

  --method METHOD         ${methods.join(", ")} (default GET)
  --path PATH             below the endpoint's base URL, percent-encoded (default /)
  --query JSON            an object of query parameters: '{"page":"2"}'
  --header NAME=VALUE     a request header; can be given again
  --data VALUE            the body: text, - for standard input, @FILE for a file, byte for byte
                          (@@… is text that begins with @)
  --response-mode MODE    ${modes.join(", ")}; can only narrow what the endpoint gives
  --output FILE           write the decoded body to FILE, and the rest of the answer to standard
                          output; with - the body to standard output and the rest to standard error
  --help                  this, and the endpoints of this run

The answer is a JSON object: upstreamStatus, upstreamHeaders, upstreamBodyBase64 (in mode full),
truncated, modeClamped, remainingCalls, remainingResponseBytes. A 404 of the upstream is an answer.
Ordinary clients can call http://<endpoint>.proxy/ as well: the environment names the proxy.

outputs sync prints a JSON line for every file below directories, absolute paths all, and a summary
at the end. Nothing depends on it: the gateway captures the directories of a run by itself.

Exit codes: 0 the upstream answered, or the directories were looked at; 1 the upstream did not
answer, standard error has {"error","message"}; 2 usage.
`;

/** An end that is told on stderr. */
class Failure extends Error {
  constructor(exitCode, error, message, more = {}) {
    super(message);
    this.exitCode = exitCode;
    this.said = { error, message, ...more };
  }
}

const wrong = (message) => new Failure(2, "usage", `${message}. See /airlock/airlock --help`);
const failed = (error, message, more) => new Failure(1, error, message, more);
const quoted = (text) => JSON.stringify(text.length <= 200 ? text : `${text.slice(0, 200)}…`);
/** Of a header, in which only ASCII arrives as it was sent. */
const ascii = (value) =>
  JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

const optionTypes = {
  method: { type: "string", multiple: true },
  path: { type: "string", multiple: true },
  query: { type: "string", multiple: true },
  header: { type: "string", multiple: true },
  data: { type: "string", multiple: true },
  "response-mode": { type: "string", multiple: true },
  output: { type: "string", multiple: true },
  help: { type: "boolean" },
};

function parse(words) {
  let parsed;
  try {
    parsed = parseArgs({ args: words, options: optionTypes, allowPositionals: true });
  } catch (error) {
    throw wrong(error.message.split("\n")[0].replace(/[.\s]+$/, ""));
  }
  const { values, positionals } = parsed;
  const [command, endpoint, ...rest] = positionals;
  if (values.help || command === "help") return { help: true };
  if (command === undefined) throw wrong("Expected a command: proxy or outputs");
  if (command === "outputs") return syncOf(values, positionals.slice(1));
  if (command !== "proxy") {
    throw wrong(`There is no command ${quoted(command)} inside a run, only proxy and outputs`);
  }
  if (endpoint === undefined) throw wrong("Expected the name of an endpoint");
  if (!/^[a-z][a-z0-9_-]{0,62}$/.test(endpoint)) {
    throw wrong(`${quoted(endpoint)} cannot be the name of an endpoint`);
  }
  if (rest.length > 0) throw wrong(`Unexpected ${quoted(rest[0])}`);
  for (const [name, given] of Object.entries(values)) {
    if (name !== "header" && given.length > 1) throw wrong(`--${name} was given twice`);
  }
  const one = (name) => values[name]?.[0];
  return {
    endpoint,
    method: methodOf(one("method") ?? "GET"),
    path: pathOf(one("path") ?? "/"),
    query: queryOf(one("query")),
    headers: headersOf(values.header ?? []),
    mode: modeOf(one("response-mode")),
    output: one("output"),
    // Opened now, so that a file that is not there is wrong usage; read when all else is well.
    data: dataOf(one("data")),
  };
}

function syncOf(values, [verb, ...dirs]) {
  const [flag] = Object.keys(values);
  if (flag !== undefined) throw wrong(`--${flag} is not for outputs`);
  if (verb !== "sync") {
    throw wrong(verb === undefined ? "Expected outputs sync <dir>…" : `Unexpected ${quoted(verb)}`);
  }
  if (dirs.length === 0) throw wrong("Expected the directories to look at: outputs sync <dir>…");
  return { sync: dirs };
}

function methodOf(given) {
  const method = given.toUpperCase();
  if (methods.includes(method)) return method;
  throw wrong(`--method: expected one of ${methods.join(", ")}, got ${quoted(given)}`);
}

function pathOf(path) {
  if (/^[\x21-\x7e]+$/.test(path)) return path;
  throw wrong(`--path: expected percent-encoded ASCII without spaces, got ${quoted(path)}`);
}

function queryOf(text) {
  if (text === undefined) return undefined;
  let query;
  try {
    query = JSON.parse(text);
  } catch {
    query = undefined;
  }
  if (typeof query === "object" && query !== null && !Array.isArray(query)) return query;
  throw wrong(`--query: expected a JSON object, got ${quoted(text)}`);
}

function headersOf(given) {
  const headers = new Map();
  for (const text of given) {
    const at = text.indexOf("=");
    if (at <= 0) throw wrong(`--header: expected NAME=VALUE, got ${quoted(text)}`);
    const name = text.slice(0, at).toLowerCase();
    if (headers.has(name)) throw wrong(`--header: ${quoted(name)} was given twice`);
    headers.set(name, text.slice(at + 1));
  }
  return headers.size === 0 ? undefined : Object.fromEntries(headers);
}

function modeOf(mode) {
  if (mode === undefined || modes.includes(mode)) return mode;
  throw wrong(`--response-mode: expected one of ${modes.join(", ")}, got ${quoted(mode)}`);
}

function dataOf(data) {
  if (data === undefined) return undefined;
  if (data === "-") return { stream: () => process.stdin };
  if (!data.startsWith("@") || data.startsWith("@@")) {
    return { bytes: Buffer.from(data.replace(/^@@/, "@")) };
  }
  const path = data.slice(1);
  try {
    const fd = openSync(path);
    if (fstatSync(fd).isDirectory()) throw new Error("it is a directory");
    return { stream: () => createReadStream("", { fd }) };
  } catch (error) {
    throw wrong(`--data: cannot read ${quoted(path)}: ${error.message}`);
  }
}

async function bodyOf(data) {
  if (data?.stream === undefined) return data?.bytes;
  return gather(data.stream(), bodyMax, () =>
    failed("exceeded_cap", `The body is longer than ${bodyMax} bytes, which no endpoint takes`),
  );
}

async function gather(stream, max, tooLong) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > max) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

function readManifest() {
  try {
    const manifest = JSON.parse(readFileSync(manifestPath, "utf8"));
    if (Array.isArray(manifest.endpoints)) return manifest;
    throw new Error("it has no endpoints");
  } catch (error) {
    throw failed("internal_error", `Cannot read ${manifestPath}: ${error.message}`);
  }
}

function readToken() {
  let token = "";
  try {
    token = readFileSync(tokenPath, "utf8").trim();
  } catch (error) {
    throw failed("unauthorized", `Cannot read ${tokenPath}: ${error.message}`);
  }
  if (token === "") throw failed("unauthorized", `${tokenPath} is empty`);
  return token;
}

function headersFor(call, token, body) {
  const { method, path, query, headers, mode } = call;
  return {
    authorization: `Bearer ${token}`,
    "x-airlock-proxy-protocol": protocol,
    "x-airlock-method": method,
    "x-airlock-path": path,
    ...(query === undefined ? {} : { "x-airlock-query": ascii(query) }),
    ...(headers === undefined ? {} : { "x-airlock-headers": ascii(headers) }),
    ...(mode === undefined ? {} : { "x-airlock-response-mode": mode }),
    "content-length": body?.length ?? 0,
  };
}

/** One request, to where the manifest says, whatever proxy a parent has named; no redirect is followed. */
async function ask(base, call, token, body) {
  const { hostname, port, pathname } = new URL(base);
  const answer = await new Promise((resolve, reject) => {
    const asked = request({
      ...{ agent: false, host: hostname, port, method: "POST" },
      path: `${pathname}/${call.endpoint}`,
      headers: headersFor(call, token, body),
      // One message, as the gateway wrote it.
      maxHeaderSize: 65_536,
    });
    // After the answer has begun, a body that the gateway does not want breaks off on its own.
    asked.on("response", resolve).on("error", reject);
    asked.end(body);
  }).catch((error) => {
    const why =
      error.code === "ECONNREFUSED" ? "this command was started without a network" : error.message;
    throw failed("internal_error", `Cannot reach the gateway at ${base}: ${why}`);
  });
  const bytes = await gather(answer, answerMax, () =>
    failed(
      "exceeded_cap",
      `The answer is longer than ${answerMax} bytes: get it from http://${call.endpoint}.proxy/`,
    ),
  ).catch((error) => {
    if (error instanceof Failure) throw error;
    throw failed("internal_error", `The gateway's answer broke off: ${error.message}`);
  });
  return { status: answer.statusCode, text: bytes.toString("utf8") };
}

function objectOf({ status, text }) {
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Said below, with what it was instead.
  }
  const message = `The gateway answered ${status} and no JSON object: ${text.slice(0, 200)}`;
  throw failed("internal_error", message, { status });
}

async function proxy(call) {
  const { proxyBaseUrl: base } = readManifest();
  if (typeof base !== "string") {
    throw failed("endpoint_not_found", "This run has no proxy endpoints", {
      endpointName: call.endpoint,
    });
  }
  const token = readToken();
  const answer = await ask(base, call, token, await bodyOf(call.data));
  const value = objectOf(answer);
  if (answer.status < 200 || answer.status > 299) {
    const isCode = typeof value.error === "string";
    if (!isCode) throw failed("internal_error", `The gateway answered ${answer.status}`, value);
    throw new Failure(1, value.error, value.message, value);
  }
  if (call.output === undefined) await write(process.stdout, `${answer.text.trimEnd()}\n`);
  else await writeBody(value, call.output);
}

async function writeBody(envelope, path) {
  const { upstreamBodyBase64, ...rest } = envelope;
  if (upstreamBodyBase64 === undefined && rest.effectiveResponseMode !== "full") {
    const message = `The answer has no body to write: its mode is ${rest.effectiveResponseMode}`;
    throw failed("bad_request", message, { upstreamStatus: rest.upstreamStatus });
  }
  const body = Buffer.from(upstreamBodyBase64 ?? "", "base64");
  const isStdout = path === "-";
  try {
    if (isStdout) await write(process.stdout, body);
    else await pipeline([body], createWriteStream(path));
  } catch (error) {
    if (error.code === "EPIPE") throw error;
    throw failed("internal_error", `Cannot write ${quoted(path)}: ${error.message}`);
  }
  await write(isStdout ? process.stderr : process.stdout, `${JSON.stringify(rest)}\n`);
}

function write(stream, data) {
  return new Promise((resolve, reject) => {
    stream.once("error", reject);
    stream.write(data, (error) => {
      // The event follows the call: without a listener it would end the program with a trace.
      if (error) return reject(error);
      stream.off("error", reject);
      resolve();
    });
  });
}

/** Names every file below the directories. What cannot be looked at is told, and the rest goes on. */
async function sync(dirs) {
  try {
    readManifest();
  } catch (error) {
    throw wrong(`outputs sync works inside a run only. ${error.message}`);
  }
  const summary = { dirs: dirs.length, files: 0, missing: 0 };
  for (const dir of dirs) {
    try {
      if (!dir.startsWith("/")) throw missing("non_absolute_path", "expected an absolute path");
      for (const { path, sizeBytes } of filesBelow(dir)) {
        await write(process.stdout, `${JSON.stringify({ dir, path, sizeBytes })}\n`);
        summary.files += 1;
      }
    } catch (error) {
      if (error.code === "EPIPE") throw error;
      summary.missing += 1;
      const said = { dir, error: error.why ?? "walk_failed", message: error.message };
      await write(process.stderr, `${JSON.stringify(said)}\n`);
    }
  }
  await write(process.stdout, `${JSON.stringify({ summary })}\n`);
}

/** Every endpoint with what it lets through. */
function endpointsText() {
  let manifest;
  try {
    manifest = readManifest();
  } catch (error) {
    return `The endpoints are not known. ${error.message}\n`;
  }
  if (manifest.endpoints.length === 0) return "This run has no proxy endpoints.\n";
  const shown = manifest.endpoints.map((one) =>
    [
      `  ${one.name}`,
      `    base URL         ${one.baseUrl}`,
      `    credential       ${credentialText(one.authShape)}`,
      `    methods          ${one.allowMethods.join(", ")}`,
      `    path prefixes    ${one.allowPathPrefixes.join(", ")}`,
      `    request headers  ${["accept", "content-type", ...one.allowHeaders].join(", ")}`,
      `    response mode    ${one.responseMode}`,
      `    request          at most ${one.maxRequestBytes} bytes`,
      `    response         at most ${one.maxResponseBytes} bytes, in ${one.timeoutMs} ms`,
      `    in this run      ${one.perCallBudget} calls, ${one.responseByteBudget} bytes of answers`,
    ].join("\n"),
  );
  return `Endpoints of this run:\n\n${shown.join("\n\n")}\n`;
}

function credentialText({ type, name }) {
  if (type === "none") return "none";
  const place = type === "header" ? `the header ${name}` : `the query parameter ${name}`;
  return name === undefined ? `${type}, added by the gateway` : `in ${place}, added by the gateway`;
}

try {
  const call = parse(process.argv.slice(2));
  if (call.help) await write(process.stdout, `${usage}\n${endpointsText()}`);
  else if (call.sync) await sync(call.sync);
  else await proxy(call);
} catch (error) {
  // Whoever reads the answer may have had enough of it.
  if (error.code === "EPIPE") process.exit(1);
  if (!(error instanceof Failure)) throw error;
  process.exitCode = error.exitCode;
  await write(process.stderr, `${JSON.stringify(error.said)}\n`);
}
