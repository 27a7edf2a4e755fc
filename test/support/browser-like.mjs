/**
 * Runs a module where there is what the web has and nothing of Node: no `process`, no `Buffer`, no module of Node, neither
 * imported by a line nor in a function.
 *
 *   node --experimental-vm-modules browser-like.mjs <module> <JSON of what it is given>
 */
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";

const web = {};
for (const name of [
  "AbortController",
  "AbortSignal",
  "Blob",
  "DOMException",
  "Event",
  "EventTarget",
  "FormData",
  "Headers",
  "ReadableStream",
  "Request",
  "Response",
  "TextDecoder",
  "TextEncoder",
  "TransformStream",
  "URL",
  "URLSearchParams",
  "WritableStream",
  "atob",
  "btoa",
  "clearTimeout",
  "console",
  "crypto",
  "fetch",
  "performance",
  "queueMicrotask",
  "setTimeout",
  "structuredClone",
]) {
  web[name] = globalThis[name];
}
const [path = "", given = "{}"] = process.argv.slice(2);
const context = vm.createContext({ ...web, given: JSON.parse(given) });
const modules = new Map();

function load(specifier, from) {
  if (specifier.startsWith("node:")) throw new Error(`There is no ${specifier} in a browser`);
  const url = import.meta.resolve(specifier, from);
  if (!url.startsWith("file:")) throw new Error(`There is no ${url} in a browser`);
  const known = modules.get(url);
  if (known) return known;
  const module = new vm.SourceTextModule(readFileSync(fileURLToPath(url), "utf8"), {
    context,
    identifier: url,
    importModuleDynamically: (wanted) => load(wanted, url),
  });
  modules.set(url, module);
  return module;
}

const main = load(pathToFileURL(path).href, import.meta.url);
await main.link((specifier, { identifier }) => load(specifier, identifier));
await main.evaluate();
