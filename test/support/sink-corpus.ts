import { corpus, type Snippet } from "../../src/analysis/corpus/corpus.testing.ts";
import { base64, type SinkProgram, type Target } from "./sink-program.ts";

const ends = { python: "py", javascript: "cjs", shell: "sh" } as const;
type Runnable = keyof typeof ends;

const isRunnable = (snippet: Snippet): snippet is Snippet & { language: Runnable } =>
  snippet.language in ends && snippet.label !== "clean";

/**
 * What the analysis is held against, as programs: every host that stands in a snippet becomes the target, and names that
 * it leaves open are given a meaning, so that it does what it is there for.
 */
export const corpusPrograms: SinkProgram[] = corpus.filter(isRunnable).map((snippet) => {
  const { language, name } = snippet;
  const file = (target: Target) => {
    const code = pointed(snippet.code, target);
    const isModule = language === "javascript" && /^import |await /m.test(code);
    return {
      path: `main.${isModule ? "mjs" : ends[language]}`,
      text: `${preambles[language](target)}${code}\n`,
    };
  };
  return {
    ...{ name: `${language}: ${name}`, proxied: false, needs: [] },
    files(target) {
      const { path, text } = file(target);
      return { [path]: text };
    },
    command(target) {
      const { path } = file(target);
      const program = { python: "python3", javascript: "node", shell: "bash" }[language];
      return `cd ${target.dir} && ${program} ${path} ${language === "shell" ? "" : "urllib.request"}`;
    },
  };
});

function pointed(code: string, { address, port }: Target): string {
  const host = String.raw`(?:[\w-]+\.)*(?:e|example)\.org|93\.184\.216\.34`;
  return code
    .replace(new RegExp(`(['"])(${host})\\1, ?(?:'/x'|\\d+)`, "g"), `'${address}', ${port}`)
    .replace(/https:\/\//g, "http://")
    .replace(/wss:\/\//g, "ws://")
    .replace(new RegExp(`(${host})([ /])(\\d+)`, "g"), `${address}$2${port}`)
    .replace(
      new RegExp(`port: \\d+, host: (['"])(${host})\\1`, "g"),
      `port: ${port}, host: '${address}'`,
    )
    .replace(/\(80, 'e\.org'\)/g, `(${port}, '${address}')`)
    .replace(new RegExp(`(${host})(?::\\d+)?`, "g"), `${address}:${port}`)
    .replaceAll("1572395042", `${address}:${port}`);
}

const preambles: Record<Runnable, (target: Target) => string> = {
  python: ({ address, port, url }) => {
    const text = `import urllib.request; urllib.request.urlopen("${url}", timeout=5)`;
    return [
      `u = '${url}'; c = text = 'curl -s -m 5 ${url}'; n = 'system'; name = 'os'; tool = 'curl'`,
      "import zlib, base64, pickle, marshal, struct, ipaddress",
      `data = code = '${text}'; texts = [data]; blob = zlib.compress(data.encode()); flag = True`,
      "x = marshal.dumps(compile(data, 'x', 'exec')); p = '/tmp/none'",
      `a = struct.pack('=H', 2) + struct.pack('!H', ${port}) + ipaddress.ip_address('${address}').packed + bytes(8)\n`,
    ].join("\n");
  },
  javascript: ({ url }) =>
    [
      "process.on('uncaughtException', () => process.exit(1));",
      `var u = '${url}', x = 'node:http', n = 'fetch', h = u.slice(7), o = u, urls = [u];`,
      `var text = atob('${base64(`fetch('${url}')`)}'), texts = ['curl -s ' + u], body = text, f = '/x';\n`,
    ].join("\n"),
  shell: ({ url }) =>
    `TOOL='curl -s -m 5'; cmd='curl -s -m 5 ${url}'; echo ${url} > urls; echo x > secret; touch a.txt\n`,
};
