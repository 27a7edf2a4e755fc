/** What stands in place of a secret wherever it would be shown. */
export const redacted = "[REDACTED]";

/**
 * A text that is not shown by accident: printing it, putting it into a template or making JSON of it gives `[REDACTED]`. Only
 * `unwrap()` gives the text.
 */
export class SecretString {
  readonly #value: string;

  /** Throws when there is nothing to keep; `label` is what the message calls it. */
  constructor(value: string, label = "A secret") {
    if (typeof value !== "string" || value === "") throw new TypeError(`${label} is required`);
    this.#value = value;
  }

  unwrap(): string {
    return this.#value;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  /** What Node and its kin print. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return redacted;
  }
}
