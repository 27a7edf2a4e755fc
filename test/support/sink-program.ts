/**
 * Programs that really reach for a host, each in a way of its own. One is told from the other by the port that it knocks
 * at, so nothing has to be read from what it says.
 */

/** Where a program knocks. */
export interface Target {
  address: string;
  port: number;
  /** `http://address:port/x`. */
  url: string;
  /** An abstract unix socket, without its NUL. */
  abstract: string;
  /** The directory of the program's files, absolute. */
  dir: string;
}

/** A program as it is written down, before it is known where it knocks. */
export interface SinkProgram {
  name: string;
  /** Default: an address that an operator can open. `abstract`: no port, but a unix socket. */
  at?: "loopback" | "ipv6" | "localhost" | "abstract";
  /** It goes by the proxy that its environment names: it gets through where it may. Others have no route, ever. */
  proxied: boolean;
  /** Programs without which it does not run: where the machine lacks one, it is left out. */
  needs: readonly string[];
  files: (target: Target) => Record<string, string | Uint8Array>;
  command: (target: Target) => string;
}

type Code = (target: Target) => string;

type Row = readonly [
  name: string,
  way: "proxied" | "direct",
  code: Code,
  more?: Partial<SinkProgram>,
];

const noFiles = () => ({});

/** Programs that are one file each, named `main` with this ending. */
export function filePrograms(
  interpreter: string,
  ending: string,
  rows: readonly Row[],
): SinkProgram[] {
  return rows.map(([name, way, code, more]) => ({
    ...{ name, proxied: way === "proxied", needs: [interpreter] },
    files: (target) => ({ [`main.${ending}`]: code(target) }),
    command: ({ dir }) => `${interpreter} ${dir}/main.${ending}`,
    ...more,
  }));
}

/** Programs that are a command and nothing else. */
export function commandPrograms(rows: readonly Row[]): SinkProgram[] {
  return rows.map(([name, way, code, more]) => ({
    ...{ name, proxied: way === "proxied", needs: [] },
    files: noFiles,
    command: code,
    ...more,
  }));
}

/** Programs that come with files. */
export function carriedPrograms(
  rows: readonly (readonly [
    name: string,
    way: "proxied" | "direct",
    files: SinkProgram["files"],
    command: Code,
    more?: Partial<SinkProgram>,
  ])[],
): SinkProgram[] {
  return rows.map(([name, way, files, command, more]) => ({
    ...{ name, proxied: way === "proxied", needs: [], files, command },
    ...more,
  }));
}

export const base64 = (text: string): string => Buffer.from(text).toString("base64");
