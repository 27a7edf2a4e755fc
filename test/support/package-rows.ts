/** The four rows of the packager's table: what an agent writes, installs, captures and then runs without a network. */
import { createHash } from "node:crypto";
import type { CallAnswer, DirectedRun } from "./directed-run.ts";
import type { LocalRegistry } from "./local-registry.ts";

export interface PackageRow {
  name: (typeof rowNames)[number];
  /** Content of the program and of what it asks for. */
  files: Record<string, string>;
  /** The lock of its client, as content. */
  lock: Record<string, string>;
  command: string;
  /** With the lock, when it differs. */
  lockedCommand?: string;
  capture: { path: string; mount_as: string };
  entrypoint: string;
  /** What the SBOM of the layer says. */
  component: { name: string; version: string; purl: string };
}

export const rowNames = ["Python", "Node", "Go", "Rust"] as const;

export function packageRow(name: PackageRow["name"], registry: LocalRegistry): PackageRow {
  return packageRows(registry)[rowNames.indexOf(name)] as PackageRow;
}

/** What the program of every row prints. */
export const word = "from the local index";

/** Writes the content of a row, installs and captures. Resolves with what `sandbox_exec` answered. */
export async function installRow(
  run: DirectedRun,
  { files, lock, command, lockedCommand, capture }: PackageRow,
  how: { isLocked: boolean; fresh?: boolean; network?: "none" },
): Promise<CallAnswer> {
  const content = how.isLocked ? { ...files, ...lock } : files;
  for (const [name, text] of Object.entries(content)) {
    const written = await run.call("content_write", { name, content: text });
    if (!written.ok) throw new Error(`Cannot write ${name}: ${JSON.stringify(written)}`);
  }
  return run.call("sandbox_exec", {
    command: how.isLocked ? (lockedCommand ?? command) : command,
    capture_paths: [capture],
    ...(how.fresh ? { fresh: true } : {}),
    ...(how.network === undefined ? {} : { network: how.network }),
  });
}

/** Package clients try again for a long time; that they get nowhere is known after the first attempt. */
export function impatient(command: string): string {
  return `PIP_RETRIES=0 npm_config_fetch_retries=0 CARGO_NET_RETRY=0 ${command}`;
}

function packageRows({ url, hashes, wheel }: LocalRegistry): PackageRow[] {
  return [
    python(createHash("sha256").update(wheel.data).digest("hex")),
    node(url, hashes.integrity),
    go(hashes.goSum),
    rust(url, hashes.crate),
  ];
}

function python(sha256: string): PackageRow {
  return {
    name: "Python",
    files: {
      "requirements.txt": "airlock-fixture\n",
      "main.py": "import airlock_fixture\nprint(airlock_fixture.word)\n",
    },
    lock: { "requirements.txt": `airlock-fixture==1.0.0 --hash=sha256:${sha256}\n` },
    command: "pip install -r /tmp/requirements.txt --target /tmp/venv",
    capture: { path: "/tmp/venv", mount_as: "/opt/venv" },
    entrypoint: "main.py",
    component: component("pypi", "airlock-fixture", "1.0.0"),
  };
}

function node(url: string, integrity: string): PackageRow {
  const manifest = { name: "x", version: "1.0.0", dependencies: { "airlock-fixture": "^1.0.0" } };
  const resolved = `${url}/npm/airlock-fixture/-/airlock-fixture-1.0.0.tgz`;
  const fixture = { version: "1.0.0", resolved, integrity };
  const packages = { "": manifest, "node_modules/airlock-fixture": fixture };
  const lock = { name: "x", version: "1.0.0", lockfileVersion: 3, requires: true, packages };
  return {
    name: "Node",
    files: {
      "package.json": JSON.stringify(manifest),
      "main.mjs": "import word from 'airlock-fixture';\nconsole.log(word);\n",
    },
    lock: { "package-lock.json": JSON.stringify(lock) },
    command: "npm install --prefix /tmp",
    lockedCommand: "npm ci",
    capture: { path: "/tmp/node_modules", mount_as: "/opt/node_modules" },
    entrypoint: "main.mjs",
    component: component("npm", "airlock-fixture", "1.0.0"),
  };
}

function go(goSum: string): PackageRow {
  return {
    name: "Go",
    files: {
      "go.mod": "module x\n\ngo 1.18\n\nrequire example.test/airlock-fixture v1.0.0\n",
      "main.go":
        'package main\n\nimport (\n\t"fmt"\n\n\tfixture "example.test/airlock-fixture"\n)\n\nfunc main() { fmt.Println(fixture.Word()) }\n',
      "run.sh": "#!/bin/sh\nexec go run main.go\n",
    },
    lock: { "go.sum": goSum },
    command: "go mod download -modcacherw",
    capture: { path: "/tmp/go_modules", mount_as: "/opt/go_modules" },
    entrypoint: "run.sh",
    component: component("golang", "example.test/airlock-fixture", "v1.0.0"),
  };
}

function rust(url: string, checksum: string): PackageRow {
  const source = "registry+https://github.com/rust-lang/crates.io-index";
  return {
    name: "Rust",
    files: {
      // Cargo has to know at run time too which registry stands in for the public one.
      "sources.toml": cargoSources(url),
      "Cargo.toml":
        '[package]\nname = "x"\nversion = "0.1.0"\nedition = "2021"\n\n[[bin]]\nname = "x"\npath = "main.rs"\n\n[dependencies]\nairlock-fixture = "1"\n',
      "main.rs": 'fn main() { println!("{}", airlock_fixture::word()) }\n',
      "run.sh":
        "#!/bin/sh\nexport CARGO_TARGET_DIR=/workspace/target\nexec cargo --config /tmp/sources.toml run -q --manifest-path /tmp/Cargo.toml\n",
    },
    lock: {
      "Cargo.lock": `# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\nversion = 3\n\n[[package]]\nname = "airlock-fixture"\nversion = "1.0.0"\nsource = "${source}"\nchecksum = "${checksum}"\n\n[[package]]\nname = "x"\nversion = "0.1.0"\ndependencies = [\n "airlock-fixture",\n]\n`,
    },
    command: "cargo fetch",
    lockedCommand: "cargo fetch --locked",
    capture: { path: "/tmp/cargo_registry", mount_as: "/opt/cargo_registry" },
    entrypoint: "run.sh",
    component: component("cargo", "airlock-fixture", "1.0.0"),
  };
}

/** Cargo's words for: this registry in place of the public one. */
export function cargoSources(url: string): string {
  return `[source.crates-io]\nreplace-with = "local"\n\n[source.local]\nregistry = "${url}/git/index/.git"\n`;
}

function component(type: string, name: string, version: string) {
  return { name, version, purl: `pkg:${type}/${name}@${version}` };
}
