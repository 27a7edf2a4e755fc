/** What waits for a signal throws its reason, or says that it was aborted; anything else is an error of its own. */
export function isAbortOf({ aborted, reason }: AbortSignal, error: unknown): boolean {
  return aborted && (error === reason || (error instanceof Error && error.name === "AbortError"));
}
