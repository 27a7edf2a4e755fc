import { join, resolve } from "node:path";

/**
 * Where Node keeps what it made of the sources that it runs: a gateway that tests start is up in half the time, and they
 * start hundreds. What is kept is held against the source each time.
 */
export const compileCache = {
  NODE_COMPILE_CACHE: join(
    resolve(import.meta.dirname, "../.."),
    "node_modules/.cache/airlock-tests",
  ),
};
