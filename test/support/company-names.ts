/**
 * Loaded into a gateway with `--import`: the names in `AIRLOCK_TEST_NAMES`, each as `name=address`, are where a company's own name
 * server has them, and nobody else. The reserved names of loopback would not do: package clients use no proxy for them.
 */
import promises from "node:dns/promises";
import { syncBuiltinESMExports } from "node:module";

const pairs = (process.env.AIRLOCK_TEST_NAMES ?? "").split(" ").map((pair) => pair.split("="));
const addresses = new Map(pairs.map(([name = "", address = ""]) => [name, address]));
const { lookup } = promises;

promises.lookup = (async (name: string, options: object) => {
  const address = addresses.get(name);
  return address === undefined ? lookup(name, options) : [{ address, family: 4 }];
}) as typeof promises.lookup;
syncBuiltinESMExports();
