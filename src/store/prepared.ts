import type { Compilable, CompiledQuery, Kysely } from "kysely";
import type { Schema } from "./schema.ts";

/** A statement that was built and compiled once and is run again and again with new values. */
export interface Prepared<V, R> {
  all(db: Kysely<Schema>, values: V): Promise<R[]>;
  first(db: Kysely<Schema>, values: V): Promise<R | undefined>;
}

/** Stands in a query for the value of one name, and is found again among its compiled parameters. */
class Slot {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/**
 * Compiles a query once: building one takes longer than running it, and an append runs three. `build` is given an
 * object whose members stand for the values of later runs.
 */
export function prepare<V extends Record<keyof V, unknown>, R = unknown>(
  build: (values: V) => Compilable<R>,
): Prepared<V, R> {
  // A Slot poses as a value of the column's type; the builder only carries it through to the parameter list.
  const slots = new Proxy({}, { get: (_, name) => new Slot(String(name)) }) as V;
  const compiled = build(slots).compile();

  function bind(values: V): CompiledQuery<R> {
    const parameters = compiled.parameters.map((parameter) =>
      parameter instanceof Slot ? values[parameter.name as keyof V] : parameter,
    );
    return { ...compiled, parameters };
  }

  return {
    all: async (db, values) => (await db.executeQuery(bind(values))).rows,
    first: async (db, values) => (await db.executeQuery(bind(values))).rows[0],
  };
}
