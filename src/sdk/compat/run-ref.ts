import { asyncDispose } from "../dispose.ts";
import { ApiError } from "../errors.ts";
import type { OutputSelector } from "../selector.ts";
import type { AntpathClient, PollOptions, WaitOptions } from "./client.ts";
import type { DownloadOptions, RunEventRecord, RunOutput, RunRecord } from "./records.ts";

/** One run by its id. Every method does what the method of the client does that takes the id. */
export class RunRef {
  readonly id: string;
  readonly #client: AntpathClient;
  readonly #leave: () => Promise<void>;

  constructor(client: AntpathClient, id: string, leave: () => Promise<void>) {
    this.#client = client;
    this.id = id;
    this.#leave = leave;
  }

  get runId(): string {
    return this.id;
  }

  get(options?: { signal?: AbortSignal }): Promise<RunRecord> {
    return this.#client.getRun(this.id, options);
  }

  stream(options?: PollOptions): AsyncGenerator<RunEventRecord> {
    return this.#client.stream(this.id, options);
  }

  wait(options?: WaitOptions): Promise<RunRecord> {
    return this.#client.wait(this.id, options);
  }

  events(options?: { signal?: AbortSignal }): Promise<RunEventRecord[]> {
    return this.#client.events(this.id, options);
  }

  outputs(options?: { signal?: AbortSignal }): Promise<RunOutput[]> {
    return this.#client.outputs(this.id, options);
  }

  downloadOutput(selector: OutputSelector, options?: DownloadOptions): Promise<Uint8Array> {
    return this.#client.downloadOutput(this.id, selector, options);
  }

  /**
   * As `download` of the client. A run that has not begun has no archive: where that is refused, this waits for the
   * beginning, because programs of 0.8 ask for the archive in the line after the submission.
   */
  async download(options: DownloadOptions = {}): Promise<Uint8Array> {
    try {
      return await this.#client.download(this.id, options);
    } catch (error) {
      if (!(error instanceof ApiError && error.code === "run_not_started")) throw error;
    }
    const { signal } = options;
    for await (const { type } of this.stream(signal ? { signal } : {})) {
      if (type === "run.provisioned" || type === "run.finished") break;
    }
    return await this.#client.download(this.id, options);
  }

  cancel(options?: { signal?: AbortSignal }): Promise<RunRecord> {
    return this.#client.cancel(this.id, options);
  }

  delete(options?: { signal?: AbortSignal }): Promise<void> {
    return this.#client.delete(this.id, options);
  }

  /** As of the `RunRef` of `AirlockClient`: cancels a run that has not ended, and waits for its end. */
  [asyncDispose](): Promise<void> {
    return this.#leave();
  }
}
