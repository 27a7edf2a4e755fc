import type { Probe } from "../contract/upkeep.ts";
import { type PackageConfiguration, packageConfiguration } from "./package-configuration.ts";

/** What a run with a way out takes from this machine's package clients, and what is left out and why, for `airlock doctor`. */
export function packageProbes(options: Parameters<typeof packageConfiguration>[0]): Probe[] {
  const { hosts, mounts, notes }: PackageConfiguration = packageConfiguration(options);
  const places = [...hosts, ...mounts.map(({ source }) => source)];
  const found = places.length === 0 ? "as the clients come, no mirror" : places.join(", ");
  return [
    { name: "registries", ok: true, required: false, found },
    ...notes.map((note) => ({
      ...{ name: "package clients", ok: false, required: false, found: note },
    })),
  ];
}
