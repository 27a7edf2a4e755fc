import { type PackageEcosystem, packageParts } from "../contract/environment.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import { toolRemedies } from "../sandbox/sandbox.ts";
import type { RunState } from "./state.ts";

/** How the packages of one ecosystem become a directory that is then a layer. */
export interface Recipe {
  /** What is filled, below `/tmp` of a place where nothing else is. */
  path: string;
  /** Where every command of the run finds it. */
  mountPath: string;
  /** The program that installs; without it there is nothing to be done. */
  program: string;
  remedy: string;
  /** What it is asked for: a name with its version, as the ecosystem writes it. */
  spec: (name: string, version: string | undefined) => string;
  /** `specs` are the words of a shell, quoted. */
  command: (specs: readonly string[], mountPath: string) => string;
}

const joined =
  (sign: string, orElse = "") =>
  (name: string, version: string | undefined) =>
    version === undefined ? `${name}${orElse}` : `${name}${sign}${version}`;

const remedyOf = (program: string) =>
  toolRemedies.find(({ name }) => name === program)?.remedy ?? `Install ${program} on the host`;

/** Each on its own, so that one that fails is the last thing that is said. */
const oneByOne = (specs: readonly string[], install: string) =>
  specs.map((spec) => `${install} ${spec}`).join(" && ");

/** Where packages of `environment` are mounted. */
export const packagesPath = "/opt/packages";

export const recipes: Record<PackageEcosystem, Recipe> = {
  pip: {
    ...{ path: "/tmp/pip", mountPath: `${packagesPath}/pip` },
    ...{ program: "python3", remedy: remedyOf("python3") },
    spec: joined("=="),
    command: (specs) => `python3 -m pip install --no-input --target /tmp/pip -- ${specs.join(" ")}`,
  },
  npm: {
    ...{ path: "/tmp/node_modules", mountPath: `${packagesPath}/node_modules` },
    ...{ program: "npm", remedy: remedyOf("npm") },
    spec: joined("@"),
    // Where nothing else is, so that npm does not take an example of a package.json above it.
    command: (specs) =>
      `echo '{"private":true}' > package.json && npm install --no-audit --no-fund -- ${specs.join(" ")}`,
  },
  cargo: {
    ...{ path: "/tmp/cargo", mountPath: `${packagesPath}/cargo` },
    ...{ program: "cargo", remedy: remedyOf("cargo") },
    spec: joined("@"),
    command: (specs) =>
      `export CARGO_TARGET_DIR=/tmp/cargo-target; ${oneByOne(specs, "cargo install --root /tmp/cargo --")}`,
  },
  go: {
    ...{ path: "/tmp/go", mountPath: `${packagesPath}/go` },
    ...{ program: "go", remedy: remedyOf("go") },
    spec: joined("@", "@latest"),
    command: (specs) =>
      `export GOBIN=/tmp/go/bin GOPATH=/tmp/gopath; ${oneByOne(specs, "go install --")}`,
  },
  gem: {
    ...{ path: "/tmp/gem", mountPath: `${packagesPath}/gem` },
    ...{
      program: "gem",
      remedy: "Install ruby on the host, for example with apt-get install ruby",
    },
    spec: joined(":"),
    // No `--`: gem takes what follows it for options of the compiler. No name of a gem begins as an option does.
    command: (specs) =>
      `gem install --no-document --install-dir /tmp/gem --bindir /tmp/gem/bin ${specs.join(" ")}`,
  },
  apt: {
    ...{ path: "/tmp/prefix", mountPath: `${packagesPath}/apt` },
    ...{
      program: "apt-get",
      remedy: "Packages of apt need a host of Debian's kind, with apt-get and dpkg-deb",
    },
    spec: joined("="),
    command: (specs, mountPath) => aptCommand(specs, mountPath),
  },
};

/** Where apt finds its configuration inside. */
export const aptDirectory = "apt";

/**
 * apt resolves and fetches as always, and the files of each package are unpacked below a prefix: their scripts are not run,
 * and nothing is registered. Programs look for their libraries by absolute path, so each is started by one of ours that
 * says where they are.
 */
function aptCommand(specs: readonly string[], mountPath: string): string {
  const root = `${mountPath}/root`;
  const libraries = [`${root}/usr/lib/$arch`, `${root}/lib/$arch`, `${root}/usr/lib`].join(":");
  const programs = ["usr/local/bin", "usr/bin", "usr/sbin", "bin", "sbin", "usr/games"];
  return [
    "set -e",
    `export APT_CONFIG=/airlock-config/${aptDirectory}/apt.conf DEBIAN_FRONTEND=noninteractive`,
    "mkdir -p /tmp/apt/state/lists/partial /tmp/apt/cache/archives/partial /tmp/apt/log",
    "mkdir -p /tmp/prefix/root /tmp/prefix/bin",
    // What it says of one archive that is out of reach is worth nothing once the packages are there.
    "apt-get update -qq 2>/tmp/apt/said || true",
    `apt-get install -y -qq --download-only --no-install-recommends --reinstall -- ${specs.join(" ")} ||`,
    "  { tail -n 5 /tmp/apt/said >&2; exit 100; }",
    'for deb in /tmp/apt/cache/archives/*.deb; do dpkg-deb -x "$deb" /tmp/prefix/root; done',
    "arch=$(uname -m)-linux-gnu",
    `for file in ${programs.map((each) => `/tmp/prefix/root/${each}/*`).join(" ")}; do`,
    '  name=$(basename "$file")',
    '  [ -x "$file" ] && [ ! -d "$file" ] && [ ! -e "/tmp/prefix/bin/$name" ] || continue',
    "  {",
    "    echo '#!/bin/sh'",
    `    echo "export LD_LIBRARY_PATH=${libraries}"`,
    `    echo "exec ${root}\${file#/tmp/prefix/root} \\"\\$@\\""`,
    '  } > "/tmp/prefix/bin/$name"',
    '  chmod 755 "/tmp/prefix/bin/$name"',
    "done",
  ].join("\n");
}

export interface Wanted {
  ecosystem: PackageEcosystem;
  /** As the ecosystem writes them: `requests==2.32.3`. */
  specs: string[];
}

/** The packages of a submission by ecosystem, in one order. */
export function wantedPackages({ environment }: Pick<RunSnapshot, "environment">): Wanted[] {
  const byEcosystem = new Map<PackageEcosystem, string[]>();
  for (const { name: given, version } of environment?.packages ?? []) {
    const { ecosystem: text, name } = packageParts(given);
    const ecosystem = text as PackageEcosystem;
    const specs = byEcosystem.get(ecosystem) ?? [];
    byEcosystem.set(ecosystem, [...specs, recipes[ecosystem].spec(name, version)]);
  }
  return [...byEcosystem].map(([ecosystem, specs]) => ({ ecosystem, specs: specs.sort() }));
}

/** Whether the packages of a run have still to be there before it may begin. A fork has the layers of its source. */
export function lacksPackages({ snapshot, prepared }: RunState): boolean {
  return !prepared && (snapshot.environment?.packages ?? []).length > 0;
}
