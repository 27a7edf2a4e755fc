import { listed, type WordLists } from "./word-lists.ts";

/** They take a function, and also the text of one. */
export const timers: ReadonlySet<string> = new Set(
  ["Timeout", "Interval", "Immediate"].map((name) => `set${name}`),
);

const native = "It reaches into the engine, which is not looked through";

/** What the names of JavaScript mean. */
export const javascriptWords: WordLists = {
  separator: ".",
  canonical: (path) =>
    path
      .replace(
        /^(?:(?:globalThis|window|self|global|top|frames|document\.defaultView)\.)+(?=.)/,
        "",
      )
      .replace(/^(?:Function|eval)\(\)(?:\(\))?\.(?=.)/, "")
      .replace(/^node:/, "")
      .replace(/\.default(?=\.|$)/g, "")
      .replace(
        /^(?:process\.mainModule|module|require\.main|module\.createRequire\(\))\.require$/,
        "require",
      )
      .replace(/^module\.createRequire\(\)$/, "require")
      .replace(/^(?:module|module\.constructor|module\.Module|require\(\))\._load$/, "require")
      .replace(/^process\.getBuiltinModule$/, "require")
      .replace(/^process\.mainModule\.constructor\._load$/, "require")
      .replace(
        /^(fetch|eval|require|import|WebSocket|child_process\.\w+|https?\.\w+|net\.\w+)\.(?:call|apply)$/,
        "$1",
      ),
  imported: (_, name) => name,
  modules: listed(`
    http https http2 net tls dgram dns dns/promises inspector _http_client _tls_wrap undici axios node-fetch
    node-fetch-native cross-fetch isomorphic-fetch whatwg-fetch got ky ky-universal ws websocket socket.io
    socket.io-client faye-websocket superagent request request-promise request-promise-native needle bent phin
    wretch unfetch make-fetch-happen minipass-fetch hyperquest r2 popsicle simple-get follow-redirects http-proxy
    http-proxy-agent https-proxy-agent socks socks-proxy-agent express fastify koa hapi @hapi/hapi restify polka
    connect nodemailer smtp-client imap imapflow pop3 ftp basic-ftp ssh2 ssh2-sftp-client node-ssh simple-ssh redis
    ioredis mongodb mongoose mysql mysql2 pg pg-promise postgres mssql tedious oracledb cassandra-driver
    @elastic/elasticsearch kafkajs amqplib mqtt nats zeromq stompit aws-sdk @aws-sdk @google-cloud googleapis @azure
    firebase firebase-admin @supabase/supabase-js openai @anthropic-ai/sdk @octokit octokit @slack/web-api stripe
    twilio discord.js telegraf node-telegram-bot-api puppeteer puppeteer-core playwright playwright-core
    chromium-bidi @grpc/grpc-js grpc @trpc/client graphql-request @apollo/client apollo-client urllib simple-git
    nodegit isomorphic-git ping net-ping dns2 dns-packet multicast-dns bonjour peerjs simple-peer webrtc wrtc
    eventsource sockjs-client @hono/node-server jsdom cheerio-httpcli crawler
  `),
  harmless: listed(`
    http.STATUS_CODES http.METHODS net.isIP net.isIPv4 net.isIPv6 net.BlockList http.IncomingMessage
    http.ServerResponse
  `),
  calls: listed(`
    fetch WebSocket XMLHttpRequest EventSource WebTransport RTCPeerConnection navigator.sendBeacon importScripts
    Deno.connect Deno.connectTls Deno.listen Deno.serve Deno.resolveDns Deno.openWebSocket Bun.connect Bun.listen Bun.serve
    Bun.udpSocket Bun.fetch Bun.dns.lookup
    process.binding process._linkedBinding
  `),
  verbs: listed(""),
  imports: listed("require import"),
  passes: listed("Object Promise.resolve structuredClone util.promisify promisify"),
  reads: listed(
    "fs.readFileSync fs.promises.readFile fs/promises.readFile fs.readFile Deno.readTextFileSync Bun.file",
  ),
  writes: listed(`
    fs.writeFileSync fs.writeFile fs.promises.writeFile fs/promises.writeFile fs.appendFileSync fs.appendFile
    fs.promises.appendFile fs/promises.appendFile Deno.writeTextFileSync Deno.writeTextFile Bun.write
  `),
  getters: listed("Reflect.get"),
  binders: listed("bind"),
  evaluates: new Set([
    ...timers,
    ...listed(`
      eval Function vm.runInThisContext vm.runInNewContext vm.runInContext vm.Script vm.compileFunction
      vm.SourceTextModule execScript module.prototype._compile
      inspector.Session().post GeneratorFunction AsyncFunction
    `),
  ]),
  runs: listed("worker_threads.Worker Worker SharedWorker child_process.fork cluster.setupPrimary"),
  hiddenMembers: listed("_load _linkedBinding internalBinding __lookupGetter__"),
  powerful: listed(
    "globalThis window self global process child_process module require vm top frames",
  ),
  starts: {
    "child_process.exec": "shell",
    "child_process.execSync": "shell",
    "child_process.spawn": "arguments",
    "child_process.spawnSync": "arguments",
    "child_process.execFile": "arguments",
    "child_process.execFileSync": "arguments",
    "child_process.fork": "node",
    "Bun.spawn": "list",
    "Bun.spawnSync": "list",
    "Bun.$": "shell",
    "Deno.Command": "arguments",
    "Deno.run": "arguments",
    execa: "arguments",
    "execa.execa": "arguments",
    "execa.execaSync": "arguments",
    "execa.execaCommand": "shell",
    "execa.command": "shell",
    "cross-spawn": "arguments",
    "cross-spawn.sync": "arguments",
    "shelljs.exec": "shell",
    "zx.$": "shell",
    "node-pty.spawn": "arguments",
  },
  hides: {
    "process.binding": native,
    "process._linkedBinding": native,
    "process.dlopen": native,
    "process.internalBinding": native,
    internalBinding: native,
    WebAssembly: "It runs machine code, which is not looked through",
    wasi: "It runs machine code, which is not looked through",
    "Bun.dlopen": native,
    "bun:ffi": native,
    "Deno.dlopen": native,
    "ffi-napi": native,
    koffi: native,
    ffi: native,
  },
};
