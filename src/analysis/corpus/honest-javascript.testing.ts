import type { HonestRow } from "./honest.testing.ts";

const script = (code: string, more = {}): HonestRow => ["node x.mjs", { "x.mjs": code, ...more }];
const common = (code: string, more = {}): HonestRow => ["node x.js", { "x.js": code, ...more }];
const project = (scripts: Record<string, string>, more = {}) => ({
  "package.json": JSON.stringify({ name: "x", version: "1.0.0", scripts }),
  ...more,
});

/** Scripts and projects of JavaScript. */
export const honestJavascript: readonly HonestRow[] = [
  script(
    "import fs from 'node:fs';\nimport path from 'node:path';\nfor (const f of fs.readdirSync('.')) console.log(path.resolve(f));\n",
  ),
  script(
    "import { readFile, writeFile } from 'node:fs/promises';\nconst d = JSON.parse(await readFile('a.json', 'utf8'));\nawait writeFile('b.json', JSON.stringify(d, null, 2));\n",
  ),
  script(
    "import { execSync } from 'node:child_process';\nconsole.log(execSync('git status --short').toString());\n",
  ),
  script(
    "import { execSync } from 'node:child_process';\nconst run = (cmd) => execSync(cmd, { stdio: 'inherit' });\nrun('ls -la');\nrun('git log -1');\n",
  ),
  script(
    "import { spawnSync } from 'node:child_process';\nfunction run(cmd, args) {\n  const r = spawnSync(cmd, args, { stdio: 'inherit' });\n  if (r.status !== 0) process.exit(r.status);\n}\nrun('ls', ['-l']);\nrun('node', ['y.mjs']);\n",
    { "y.mjs": "console.log(1);\n" },
  ),
  script(
    "import { spawn } from 'node:child_process';\nconst p = spawn(process.execPath, ['y.mjs']);\np.on('exit', (c) => console.log(c));\n",
    { "y.mjs": "console.log(1);\n" },
  ),
  script("const m = await import('./y.mjs');\nconsole.log(m.default);\n", {
    "y.mjs": "export default 1;\n",
  }),
  script("for (const name of ['./a.mjs', './b.mjs']) await import(name);\n", {
    "a.mjs": "console.log('a');\n",
    "b.mjs": "console.log('b');\n",
  }),
  script("import { helper } from './lib/helper.mjs';\nhelper();\n", {
    "lib/helper.mjs": "export function helper() { console.log('x'); }\n",
  }),
  script(
    "import { Worker, isMainThread } from 'node:worker_threads';\nif (isMainThread) new Worker(new URL(import.meta.url)); else console.log('in');\n",
  ),
  script(
    "import assert from 'node:assert';\nimport test from 'node:test';\ntest('adds', () => assert.equal(1 + 1, 2));\n",
  ),
  script(
    "import { createHash } from 'node:crypto';\nconsole.log(createHash('sha256').update('x').digest('hex'));\n",
  ),
  script(
    "import readline from 'node:readline';\nconst rl = readline.createInterface({ input: process.stdin });\nfor await (const l of rl) console.log(l);\n",
  ),
  script(
    "const handlers = { a: () => 1, b: () => 2 };\nconst k = process.argv[2];\nconsole.log(handlers[k]?.());\n",
  ),
  script(
    "class Bus { on(n, f) { (this.m ??= {})[n] = f; } emit(n, ...a) { this.m[n]?.(...a); } }\nconst b = new Bus(); b.on('x', console.log); b.emit('x', 1);\n",
  ),
  script(
    "const re = /a(b)/g; let m;\nwhile ((m = re.exec('abab'))) console.log(m[1]);\nsetTimeout(() => process.exit(0), 10);\n",
  ),
  script(
    "import os from 'node:os';\nimport { promisify } from 'node:util';\nimport { exec } from 'node:child_process';\nconst sh = promisify(exec);\nconst { stdout } = await sh('ls');\nconsole.log(stdout, os.cpus().length);\n",
  ),
  common(
    "const fs = require('fs');\nconst { join } = require('path');\nconst cfg = require('./config.json');\nconsole.log(fs.existsSync(join(__dirname, 'a')), cfg);\n",
    { "config.json": "{}" },
  ),
  common("const mod = require(process.cwd() + '/y.js');\nconsole.log(mod);\n", {
    "y.js": "module.exports = 1;\n",
  }),
  common(
    "const path = require('path');\nconst mod = require(path.join(__dirname, 'y.js'));\nconsole.log(mod);\n",
    { "y.js": "module.exports = 1;\n" },
  ),
  common(
    "module.exports = { add: (a, b) => a + b };\nif (require.main === module) console.log(module.exports.add(1, 2));\n",
  ),
  common(
    "Object.keys(process.env).filter((k) => /^npm_/.test(k)).forEach((k) => console.log(k));\nglobal.x = 1;\n",
  ),
  [
    "npm run build",
    project(
      { build: "node build.js" },
      { "build.js": "require('fs').mkdirSync('dist', { recursive: true });\n" },
    ),
  ],
  [
    "npm test",
    project({ test: "node --test" }, { "x.test.js": "require('node:test')('a', () => {});\n" }),
  ],
  [
    "npm test -- --grep a 2>&1 | tail -30",
    project({ pretest: "tsc -p .", test: "node test.js" }, { "test.js": "console.log(1);\n" }),
  ],
  ["yarn build && yarn lint", project({ build: "tsc", lint: "eslint ." })],
  ["npm start", {}],
  ["node --test", { "x.test.js": "require('node:test')('a', () => {});\n" }],
  ["node -e \"console.log(require('./package.json').version)\"", project({})],
  ["node -p 'process.versions.node'"],
  ["node --input-type=module -e \"import fs from 'fs'; console.log(fs.readdirSync('.'))\""],
  ["node <<'EOF'\nconsole.log([1, 2].map((x) => x * 2));\nEOF"],
  [
    "cat > x.mjs <<'EOF'\nimport { f } from './y.mjs';\nf();\nEOF\ncat > y.mjs <<'EOF'\nexport const f = () => console.log(1);\nEOF\nnode x.mjs",
  ],
  ["npx tsc --noEmit -p tsconfig.json", {}, "What is not installed is fetched by npx"],
];
