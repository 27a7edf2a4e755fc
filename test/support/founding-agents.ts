/**
 * The powers of the two agents that Airlock was founded on, as an inline agent carries them: what their manifests declare,
 * word for word, since it is data; their instructions are not needed to hold their powers against.
 */
import type { Submission } from "./directed-run.ts";

type Agent = Exclude<NonNullable<Submission["agent"]>, string>;

export const coder: Agent = {
  id: "coder.default",
  instructions: "Write code, test it, and hand over an artifact.",
  capabilities: [
    { type: "SandboxFunctions", allowed: ["knowledge.", "sandbox."] },
    {
      type: "CodeExecution",
      patterns: [
        ...["python3 ", "python ", "node ", "bash -c ", "sh -c "],
        ...["python3 scripts/", "python scripts/"],
      ],
    },
    { type: "WriteAccess", scopes: ["self.*", "skills/*", "scripts/*"] },
    { type: "ReadAccess", scopes: ["self.*", "skills/*", "scripts/*"] },
    { type: "AgentMessage", patterns: ["*"] },
  ],
};

export const packager: Agent = {
  id: "packager.default",
  instructions: "Install what is asked for into layers, and hand over an artifact.",
  capabilities: [
    { type: "SandboxFunctions", allowed: ["content.", "artifact.", "sandbox."] },
    {
      type: "CodeExecution",
      patterns: ["python3 ", "pip ", "npm install", "bash -c ", "sh -c "],
    },
    { type: "NetworkAccess", hosts: ["*"] },
    { type: "WriteAccess", scopes: ["self.*", "skills/*", "scripts/*"] },
    { type: "ReadAccess", scopes: ["self.*", "skills/*", "scripts/*"] },
  ],
  remote_access: {
    approval_mode: "preapproved",
    targets: [{ kind: "any" }],
    enabled_languages: ["python", "javascript", "rust", "go"],
    python_imports: ["requests", "urllib", "httpx", "aiohttp"],
    js_imports: ["axios", "node-fetch", "undici", "got"],
    rust_imports: ["reqwest", "hyper", "ureq"],
    go_imports: ["net/http", "google.golang.org/grpc"],
    function_calls: [
      ...["requests.get", "requests.post", "httpx.get", "httpx.post", "axios.get", "axios.post"],
      ...["reqwest::get", "reqwest::post", "http.Get", "http.Post"],
    ],
    shell_commands: ["curl", "wget", "git clone", "git fetch", "git pull", "git push"],
    package_manager_commands: [
      ...["pip install", "pip3 install", "npm install", "yarn install", "yarn add"],
      ...["pnpm install", "bun install", "go get", "go mod download", "cargo install"],
      ...["gem install", "composer install", "composer require", "apt-get install"],
      ...["apt-get update", "apk add", "yum install", "dnf install", "pacman -S"],
    ],
  },
};
