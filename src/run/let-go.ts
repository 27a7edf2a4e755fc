/** Thrown when the run is no longer ours to drive: another worker holds it, or the gateway is stopping. */
export class LetGo extends Error {
  override name = "LetGo";
}
