import type { RunEvent } from "../contract/event.ts";
import type { Output } from "../contract/output.ts";
import type { ProxyCall, ProxyEnvelope } from "../contract/proxy-call.ts";
import { isEnd, type Run } from "../contract/run.ts";
import type { RunTree } from "../contract/run-tree.ts";
import { asyncDispose } from "./dispose.ts";
import type { DownloadOptions } from "./download.ts";
import { ApiError } from "./errors.ts";
import type { SavedFile } from "./files.ts";
import type { ForkOptions } from "./fork.ts";
import type { ProxyRequest } from "./proxy-calls.ts";
import type { AirlockClient, EventStream } from "./sdk.ts";
import type { OutputSelector } from "./selector.ts";
import type { StreamOptions } from "./stream.ts";
import type { WaitOptions } from "./wait.ts";

/**
 * One run, by its id. It holds nothing but the id: make one from any id with `client.run(id)`,
 * today or next week. Every method does what the method of the client does that takes the id.
 */
export class RunRef {
  readonly id: string;
  readonly #client: AirlockClient;

  constructor(client: AirlockClient, id: string) {
    this.#client = client;
    this.id = id;
  }

  get(options?: { signal?: AbortSignal }): Promise<Run> {
    return this.#client.getRun(this.id, options);
  }

  tree(options?: { signal?: AbortSignal }): Promise<RunTree> {
    return this.#client.tree(this.id, options);
  }

  stream<Options extends StreamOptions = StreamOptions>(options?: Options): EventStream<Options> {
    return this.#client.stream(this.id, options);
  }

  wait(options?: WaitOptions): Promise<Run> {
    return this.#client.wait(this.id, options);
  }

  events(options?: { since?: number; signal?: AbortSignal }): AsyncGenerator<RunEvent> {
    return this.#client.events(this.id, options);
  }

  outputs(options?: { signal?: AbortSignal }): Promise<Output[]> {
    return this.#client.outputs(this.id, options);
  }

  downloadOutput(
    selector: OutputSelector,
    options: DownloadOptions & { to: string },
  ): Promise<SavedFile>;
  downloadOutput(selector: OutputSelector, options?: DownloadOptions): Promise<Uint8Array>;
  downloadOutput(
    selector: OutputSelector,
    options?: DownloadOptions,
  ): Promise<SavedFile | Uint8Array> {
    return this.#client.downloadOutput(this.id, selector, options);
  }

  download(options: DownloadOptions & { to: string }): Promise<SavedFile>;
  download(options?: DownloadOptions): Promise<Uint8Array>;
  download(options?: DownloadOptions): Promise<SavedFile | Uint8Array> {
    return this.#client.download(this.id, options);
  }

  proxyCalls(options?: { signal?: AbortSignal }): AsyncGenerator<ProxyCall> {
    return this.#client.proxyCalls(this.id, options);
  }

  proxy(endpoint: string, request?: ProxyRequest): Promise<ProxyEnvelope> {
    return this.#client.proxy(this.id, endpoint, request);
  }

  fork(options?: ForkOptions): Promise<RunRef> {
    return this.#client.fork(this.id, options);
  }

  cancel(options?: { signal?: AbortSignal }): Promise<Run> {
    return this.#client.cancelRun(this.id, options);
  }

  stop(options: { reason: string; signal?: AbortSignal }): Promise<Run> {
    return this.#client.stopRun(this.id, options);
  }

  delete(options?: { signal?: AbortSignal }): Promise<void> {
    return this.#client.deleteRun(this.id, options);
  }

  /**
   * What leaving a block does to `await using run = …`: a run that has not ended is cancelled, and its end is waited for, so
   * that nothing of the block works on after it. One that has ended, or was deleted, stays as it is.
   */
  async [asyncDispose](): Promise<void> {
    try {
      const run = await this.cancel();
      if (!isEnd(run.status)) await this.wait();
    } catch (error) {
      if (!(error instanceof ApiError && error.code === "run_deleted")) throw error;
    }
  }
}
