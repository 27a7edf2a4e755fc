/**
 * Loaded into a gateway with `--import`: the names in `AIRLOCK_TEST_NAMES` are at 127.0.0.1, as a company's own name server
 * knows names that nobody else does. The reserved names of loopback would not do: package clients use no proxy for them.
 */
import promises from "node:dns/promises";
import { syncBuiltinESMExports } from "node:module";

const names = new Set((process.env.AIRLOCK_TEST_NAMES ?? "").split(" "));
const { lookup } = promises;

promises.lookup = (async (name: string, options: object) =>
  names.has(name)
    ? [{ address: "127.0.0.1", family: 4 }]
    : lookup(name, options)) as typeof promises.lookup;
syncBuiltinESMExports();
