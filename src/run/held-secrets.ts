import type { RunState } from "./state.ts";

/**
 * Whether code of the run has had secrets in its environment, or has them in this call. What it left in the run's
 * directories may hold them from then on, in a spelling that a search knows or in another.
 */
export function heldSecrets({ turns }: Pick<RunState, "turns">, callId: string): boolean {
  return turns.some(({ calls }) =>
    calls.some(({ request, started }) => {
      const given = request.arguments as { credential_env?: unknown } | null;
      return given?.credential_env !== undefined && (started || request.call_id === callId);
    }),
  );
}
