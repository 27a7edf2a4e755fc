import { constants } from "node:fs";
import { chmod, lchown, open, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { wholeText } from "../base/whole-text.ts";
import type { Place } from "../sandbox/sandbox.ts";
import { sdkSocketName } from "../sandbox/sandbox.ts";
import { failure, openSdkCalls, type SdkAnswer, type SdkCallsOptions } from "./sdk-door-calls.ts";

export interface SdkDoorOptions extends SdkCallsOptions {
  place: Place;
  /** Of the run's uid. */
  gid: number;
  /** Of the host: only the run's own uid passes, and its sandboxes cannot change what is in it. */
  directory: string;
  log: Log;
}

/** The way from a run's own code to the gateway: a socket that only its sandboxes see, as long as the run is driven. */
export interface SdkDoor {
  directory: string;
  /** Answers what was asked for, cuts every connection and removes the socket. Again, it changes nothing. */
  close(): Promise<void>;
}

/**
 * Listens. One JSON-RPC request is one line, and so is its answer; they are answered in order. A connection that sends
 * what is no request, or more than one may have, is told so and cut.
 */
export async function openSdkDoor(options: SdkDoorOptions): Promise<SdkDoor> {
  const { directory, place, gid, log } = options;
  const calls = openSdkCalls(options);
  const sockets = new Set<Socket>();
  // A client that has said all still waits for its answers.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
    socket.setTimeout(limits.egressIdleMs, () => socket.destroy());
    talk(socket, calls.answer).then(
      () => socket.destroySoon(),
      (error: unknown) => {
        // The run is not ours any more, or the disk is full: whoever drives it says so.
        log.warn({ run: place.runId, err: error }, "sdk.call_failed");
        socket.destroy();
      },
    );
  });
  server.maxConnections = limits.sdkConnections;
  const remove = await listen(
    server,
    directory,
    place.uid === null ? null : { uid: place.uid, gid },
  );
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
    await calls.settled();
    await remove();
  };
  let closing: Promise<void> | undefined;
  return {
    directory,
    close() {
      closing ??= close();
      return closing;
    },
  };
}

async function talk(
  socket: Socket,
  answer: (method: unknown, params: unknown) => Promise<SdkAnswer>,
): Promise<void> {
  for await (const line of linesOf(socket)) {
    if (line === undefined) {
      const most = `expected one line of JSON with at most ${limits.sdkRequestBytes} bytes`;
      socket.write(textOf(null, failure("validation", most, -32_600)));
      return;
    }
    const request = requestIn(line);
    const said =
      request === undefined
        ? textOf(null, failure("validation", "expected a JSON-RPC request", -32_700))
        : textOf(request.id, await answer(request.method, request.params));
    // One that does not read its answers is not read either.
    if (!socket.write(said)) await drained(socket);
  }
}

/** Undefined once a line is longer than a request may be: nothing is read after it. */
async function* linesOf(socket: Socket): AsyncGenerator<string | undefined> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  const chunks = socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const chunk of chunks) {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...pieces, rest.subarray(0, end)]);
      rest = rest.subarray(end + 1);
      pieces = [];
      bytes = 0;
      if (line.length > limits.sdkRequestBytes) return yield undefined;
      yield line.toString("utf8");
    }
    pieces.push(rest);
    bytes += rest.length;
    if (bytes > limits.sdkRequestBytes) return yield undefined;
  }
}

interface Request {
  id: string | number | null;
  method: unknown;
  params: unknown;
}

function requestIn(line: string): Request | undefined {
  let value: unknown;
  try {
    value = wholeText(JSON.parse(line));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { id, method, params } = value as Record<string, unknown>;
  const isId = typeof id === "number" || (typeof id === "string" && id.length <= 100);
  return { id: isId ? id : null, method, params };
}

function textOf(id: Request["id"], answer: SdkAnswer): string {
  return `${JSON.stringify({ jsonrpc: "2.0", id, ...answer })}\n`;
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("drain", resolve).once("close", () => resolve());
  });
}

/** By the open directory: a socket's name may have 107 bytes, and a data directory's path has more. */
async function listen(
  server: Server,
  path: string,
  owner: { uid: number; gid: number } | null,
): Promise<() => Promise<void>> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  const name = `/proc/self/fd/${directory.fd}/${sdkSocketName}`;
  try {
    await rm(name, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(name, resolve);
    });
    await chmod(name, 0o600);
    if (owner !== null) await lchown(name, owner.uid, owner.gid);
  } catch (error) {
    server.close();
    await directory.close();
    throw error;
  }
  return async () => {
    await rm(name, { force: true });
    await directory.close();
  };
}

/** Closes the door of a run, if one was opened. One that could not be opened was told to the call that wanted it. */
export async function closeSdk(opening: Promise<SdkDoor> | undefined): Promise<void> {
  const door = await opening?.catch(() => undefined);
  await door?.close();
}
