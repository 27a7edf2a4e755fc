import { z } from "zod";
import { NetworkHost } from "./agent.ts";

/** How a package may be named: its ecosystem, then its name. */
export const packageEcosystems = ["apt", "cargo", "gem", "go", "npm", "pip"] as const;
export type PackageEcosystem = (typeof packageEcosystems)[number];

const PackageName = z
  .string()
  .max(214 + 6)
  .superRefine((text, check) => {
    const problem = packageNameProblem(text);
    if (problem !== undefined) check.addIssue({ code: "custom", message: problem });
  });

/** `pip:requests` as its two parts; without an ecosystem it is a package of apt. */
export function packageParts(text: string): { ecosystem: string; name: string } {
  const colon = text.indexOf(":");
  if (colon === -1) return { ecosystem: "apt", name: text };
  return { ecosystem: text.slice(0, colon), name: text.slice(colon + 1) };
}

function packageNameProblem(text: string): string | undefined {
  const { ecosystem, name } = packageParts(text);
  if (!(packageEcosystems as readonly string[]).includes(ecosystem)) {
    return `${JSON.stringify(ecosystem)} is no ecosystem; expected one of ${packageEcosystems.join(", ")}`;
  }
  if (name === "") return `expected the name of a package after ${ecosystem}:`;
  // What it is a part of is a command's argument: nothing that a shell, an option parser or a client would read as a path.
  const isName = packageNames[ecosystem as PackageEcosystem].test(name) && !name.includes("..");
  if (!isName) return `${JSON.stringify(name)} is no name of a package of ${ecosystem}`;
  return undefined;
}

/** Only what registries have by name: no path, no address, no repository. */
const packageNames: Record<PackageEcosystem, RegExp> = {
  apt: /^[a-z0-9][a-z0-9.+-]*$/,
  cargo: /^[A-Za-z0-9][A-Za-z0-9_-]*$/,
  gem: /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
  go: /^[A-Za-z0-9][A-Za-z0-9._~-]*(\/[A-Za-z0-9._~-]+)*$/,
  npm: /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[A-Za-z0-9][A-Za-z0-9._~-]*$/,
  pip: /^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?$/,
};

const reserved = /^(AIRLOCK|ANTPATH|AUTONOETIC)_/;
const envVarBytes = { each: 4096, all: 65_536 };

const EnvVars = z
  .record(
    z
      .string()
      .max(128)
      .regex(/^[A-Z_][A-Z0-9_]*$/, "expected capital letters, digits and _")
      .refine((name) => !reserved.test(name), "is a name of the gateway's own"),
    z
      .string()
      .refine((value) => !value.includes("\0"), "must not contain NUL")
      .refine((value) => byteLength(value) <= envVarBytes.each, {
        error: `exceeds ${envVarBytes.each} bytes`,
      }),
  )
  .refine((map) => Object.keys(map).length <= 64, "expected at most 64 variables")
  .refine(
    (map) =>
      Object.entries(map).reduce((sum, [name, value]) => sum + byteLength(name + value), 0) <=
      envVarBytes.all,
    `exceed ${envVarBytes.all} bytes together`,
  );

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** What a run finds around it, beside its own files. It belongs to the run that was submitted, and not to its tasks. */
export const Environment = z
  .strictObject({
    networking: z
      .strictObject({
        mode: z
          .enum(["limited", "open"])
          .describe("limited: these hosts and no other; open: every public host"),
        allowedHosts: z.array(NetworkHost).max(256).optional(),
      })
      .refine(({ mode, allowedHosts }) => mode === "limited" || allowedHosts === undefined, {
        path: ["allowedHosts"],
        error: "is for mode limited; open reaches every public host",
      })
      .optional()
      .describe("For a run without an agent of its own, which says itself what it reaches"),
    packages: z
      .array(
        z
          .strictObject({
            name: PackageName.describe("pip:requests, npm:left-pad, apt:jq; without a prefix apt"),
            version: z
              .string()
              .max(128)
              .regex(/^[A-Za-z0-9][A-Za-z0-9.+:~_-]*$/, "expected a version, such as 1.2.3")
              .optional(),
          })
          .refine(
            // npm reads x:y as another kind of source; only apt has epochs.
            ({ name, version = "" }) =>
              packageParts(name).ecosystem === "apt" || !/[:]/.test(version),
            { path: ["version"], error: "expected a version without a colon, such as 1.2.3" },
          ),
      )
      .max(64)
      .optional()
      .describe("Installed before the first turn into cached layers, then mounted read-only"),
    envVars: EnvVars.optional().describe("In the environment of every command; no secrets"),
  })
  .meta({ id: "Environment" });
export type Environment = z.infer<typeof Environment>;

/** One ecosystem's packages, and the layer that they became. */
export const PreparedPackages = z.object({
  ecosystem: z.enum(packageEcosystems),
  packages: z.array(z.string()).describe("As they were installed: requests==2.32.3"),
  layer_id: z.string(),
  mount_path: z.string(),
  cached: z.boolean().describe("Nothing was installed: the layer of an earlier run is used"),
  duration_ms: z.int(),
});
export type PreparedPackages = z.infer<typeof PreparedPackages>;
