import { Problem } from "../../src/contract/problem.ts";
import type { HttpOptions } from "../../src/http/http.ts";

const nothing = async (): Promise<never> => {
  throw new Problem("not_found", "There is no agent here");
};

/** A library without an agent. */
export const noAgents: HttpOptions["agents"] = {
  all: async () => [],
  ...{ install: nothing, get: nothing, export: nothing, delete: nothing },
};
