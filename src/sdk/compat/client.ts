import type { Whoami } from "../../contract/token.ts";
import type { AgentsMdCalls, FileCalls, SkillCalls } from "../bundle-calls.ts";
import { asyncDispose } from "../dispose.ts";
import { saveTo } from "../files.ts";
import { AirlockClient } from "../sdk.ts";
import type { SecretString } from "../secret-string.ts";
import type { OutputSelector } from "../selector.ts";
import {
  type DownloadOptions,
  eventRecord,
  eventRecords,
  outputRecord,
  type RunEventRecord,
  type RunOutput,
  type RunRecord,
  runRecord,
} from "./records.ts";
import { RunRef } from "./run-ref.ts";
import { type RunTemplate, type SubmitRunOptions, submissionOf } from "./submit-options.ts";

export interface AntpathClientOptions {
  /** An API token of the gateway. */
  apiToken: string | SecretString;
  /** Where the gateway is: `http://127.0.0.1:7475` unless told otherwise. */
  baseUrl?: string;
  fetch?: typeof fetch;
  debug?: boolean | ((line: string) => void);
}

interface Signal {
  signal?: AbortSignal;
}

export interface PollOptions extends Signal {
  /** Events are pushed; this is how often they are asked for where nothing can be pushed. Default 1,000 ms. */
  intervalMs?: number;
}

export interface WaitOptions extends PollOptions {
  timeoutMs?: number;
}

/** A client that has the names and the answers of 0.8, by id and with a `RunRef`. */
export class AntpathClient {
  readonly #airlock: AirlockClient;

  /** Skills of the workspace: uploaded, found, listed and deleted. */
  readonly skills: SkillCalls;
  /** Instructions of the workspace, likewise. */
  readonly agentsMd: AgentsMdCalls;
  /** Files of the workspace, likewise. */
  readonly files: FileCalls;

  /** Throws at once when there is no token. */
  constructor(options: AntpathClientOptions) {
    const { apiToken, ...rest } = options ?? {};
    if (!apiToken) throw new TypeError("apiToken is required: an API token of the gateway");
    this.#airlock = new AirlockClient({ token: apiToken, ...rest });
    this.skills = this.#airlock.skills;
    this.agentsMd = this.#airlock.agentsMd;
    this.files = this.#airlock.files;
  }

  /** Submits a run. With a template, what the options say is stronger, member by member. */
  submitRun(options: SubmitRunOptions): Promise<RunRef>;
  submitRun(template: RunTemplate, options: SubmitRunOptions): Promise<RunRef>;
  async submitRun(
    first: SubmitRunOptions | RunTemplate,
    second?: SubmitRunOptions,
  ): Promise<RunRef> {
    const run = await this.#airlock.submitRun(submissionOf(first, second));
    return new RunRef(this, run.id, () => run[asyncDispose]());
  }

  /** Submits a run and waits for its end. */
  async run(options: SubmitRunOptions): Promise<RunRecord> {
    const { signal } = options;
    return await (await this.submitRun(options)).wait(signal ? { signal } : {});
  }

  async getRun(runId: string, options?: Signal): Promise<RunRecord> {
    return runRecord(await this.#airlock.getRun(runId, options));
  }

  /** The events that there are now. */
  async listEvents(runId: string, options?: Signal): Promise<RunEventRecord[]> {
    const events: RunEventRecord[] = [];
    for await (const event of this.#airlock.events(runId, options)) events.push(eventRecord(event));
    return events;
  }

  /** Each event once and in order, until the run has ended. Aborting ends the loop; it does not throw. */
  streamEvents(runId: string, options?: PollOptions): AsyncGenerator<RunEventRecord> {
    return eventRecords(this.#airlock.stream(runId, options));
  }

  async waitForRun(runId: string, options?: WaitOptions): Promise<RunRecord> {
    return runRecord(await this.#airlock.wait(runId, options));
  }

  async listOutputs(runId: string, options?: Signal): Promise<RunOutput[]> {
    return (await this.#airlock.outputs(runId, options)).map(outputRecord);
  }

  /** The bytes of one output; with `to`, also as a file. */
  async downloadOutput(
    runId: string,
    selector: OutputSelector,
    { to, ...options }: DownloadOptions = {},
  ): Promise<Uint8Array> {
    return await written(to, await this.#airlock.downloadOutput(runId, selector, options));
  }

  /** Everything of a run as one zip; with `to`, also as a file. It is held in memory, which `AirlockClient` does not. */
  async download(runId: string, { to, ...options }: DownloadOptions = {}): Promise<Uint8Array> {
    return await written(to, await this.#airlock.download(runId, options));
  }

  /** Asks a run to end. */
  async cancelRun(runId: string, options?: Signal): Promise<RunRecord> {
    return runRecord(await this.#airlock.cancelRun(runId, options));
  }

  /** Deletes a run that has ended. */
  deleteRun(runId: string, options?: Signal): Promise<void> {
    return this.#airlock.deleteRun(runId, options);
  }

  whoami(options?: Signal): Promise<Whoami> {
    return this.#airlock.whoami(options);
  }

  /** The short names, and those of the whole record: the gateway has one record of a run. */
  get(runId: string, options?: Signal): Promise<RunRecord> {
    return this.getRun(runId, options);
  }

  getRunUnit(runId: string, options?: Signal): Promise<RunRecord> {
    return this.getRun(runId, options);
  }

  getUnit(runId: string, options?: Signal): Promise<RunRecord> {
    return this.getRun(runId, options);
  }

  events(runId: string, options?: Signal): Promise<RunEventRecord[]> {
    return this.listEvents(runId, options);
  }

  stream(runId: string, options?: PollOptions): AsyncGenerator<RunEventRecord> {
    return this.streamEvents(runId, options);
  }

  wait(runId: string, options?: WaitOptions): Promise<RunRecord> {
    return this.waitForRun(runId, options);
  }

  outputs(runId: string, options?: Signal): Promise<RunOutput[]> {
    return this.listOutputs(runId, options);
  }

  cancel(runId: string, options?: Signal): Promise<RunRecord> {
    return this.cancelRun(runId, options);
  }

  delete(runId: string, options?: Signal): Promise<void> {
    return this.deleteRun(runId, options);
  }

  /** Leaving the block of an `await using` ends what this client has under way; runs go on. */
  async [asyncDispose](): Promise<void> {
    this.#airlock.close();
  }
}

async function written(to: string | undefined, bytes: Uint8Array): Promise<Uint8Array> {
  if (to !== undefined) await saveTo(to, whole(bytes));
  return bytes;
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
