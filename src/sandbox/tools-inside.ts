/** A program that commands expect, how it says its version, and what to do when it is not there. */
export interface ToolRemedy {
  name: string;
  version: string;
  remedy: string;
}

const debian = (name: string) =>
  `Install ${name} on the host, for example with apt-get install ${name}`;

const toolchain = (name: string) => `${debian(name)}, or declare a newer one in AIRLOCK_TOOLCHAINS`;

/** The programs that runs expect inside. */
export const toolRemedies: readonly ToolRemedy[] = [
  { name: "sh", version: "sh -c 'echo present'", remedy: debian("dash") },
  { name: "bash", version: "bash --version", remedy: debian("bash") },
  { name: "python3", version: "python3 --version", remedy: debian("python3") },
  { name: "python", version: "python --version", remedy: debian("python3") },
  { name: "pip", version: "pip --version", remedy: debian("python3-pip") },
  {
    name: "node",
    version: "node --version",
    remedy: "Start airlock again: it brings its own node",
  },
  { name: "npm", version: "npm --version", remedy: "Start airlock again: it brings its own npm" },
  { name: "npx", version: "npx --version", remedy: "Start airlock again: it brings its own npx" },
  { name: "git", version: "git --version", remedy: debian("git") },
  { name: "curl", version: "curl --version", remedy: debian("curl") },
  { name: "go", version: "go version", remedy: toolchain("golang-go") },
  { name: "cargo", version: "cargo --version", remedy: toolchain("cargo") },
];
