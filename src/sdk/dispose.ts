declare global {
  // Programs that are checked without the newest library of types can name it too.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}

/**
 * What `await using` asks for. Engines that do not have the symbol cannot have the statement either, except where a compiler
 * rewrites it; it then looks for the same symbol, which who needs it has to provide before this module is loaded.
 */
export const asyncDispose: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");
