import { Problem } from "../../src/contract/problem.ts";
import type { HttpOptions } from "../../src/http/http.ts";

const nothing = async (): Promise<never> => {
  throw new Problem("not_found", "There is no bundle here");
};

/** A workspace without a skill, instructions or files. */
export const noBundles: HttpOptions["bundles"] = {
  ...{ list: async () => [], find: async () => null, pin: async () => ({}) },
  ...{ add: nothing, get: nothing, delete: nothing, open: nothing, entries: nothing },
};
