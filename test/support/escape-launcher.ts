/**
 * Starts the gateway the way a careless supervisor would: with precious descriptors left open, a
 * key in its session keyring and a controlling terminal. All of it would pass to every child.
 */
import { chmodSync, chownSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutFor } from "./checkout-for.ts";
import type { GatewayIdentity } from "./escape-identities.ts";

export interface CarelessStart {
  /** For `startGateway`. */
  program: string[];
  env: Record<string, string>;
  /** What anybody wrote to the terminal, or pushed into it, since the start. */
  terminal(): string;
  /** The number of the key in the session keyring. */
  keySerial(): number;
}

/** What the launcher itself writes to the terminal: the proof that writing there is seen. */
export const terminalControl = "the launcher was here";

/** Descriptors that the gateway inherits, each open on the precious file. */
export const inheritedFds = [3, 9, 77, 200, 251];

const source = `
import ctypes, fcntl, os, sys, termios
libc = ctypes.CDLL(None, use_errno=True)
out = os.environ.pop("LAUNCHER_OUT")
payload = os.environ.pop("LAUNCHER_KEY").encode()
precious = os.open(os.environ.pop("LAUNCHER_FILE"), os.O_RDWR)
add_key, keyctl = (248, 250) if os.uname().machine == "x86_64" else (217, 219)
libc.syscall(keyctl, 1, None)
serial = libc.syscall(add_key, b"user", b"airlock-canary", payload, len(payload), -3)
if serial < 0: raise OSError(ctypes.get_errno(), "add_key")
buffer = ctypes.create_string_buffer(200)
if libc.syscall(keyctl, 11, serial, buffer, 200) != len(payload): raise OSError("read of key")
open(out + "/key", "w").write(str(serial))
master, slave = os.openpty()
if os.fork() == 0:
    libc.prctl(1, 9, 0, 0, 0)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2): os.dup2(null, fd)
    seen = os.open(out + "/terminal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    while True: os.write(seen, os.read(master, 4096))
os.setsid()
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
tty = os.open("/dev/tty", os.O_RDWR)
os.write(tty, b"${terminalControl}\\n")
for fd in (${inheritedFds.join(", ")}): os.dup2(precious, fd, inheritable=True)
os.execv(sys.argv[1], sys.argv[1:])
`;

/** `directory` is where the launcher writes down what the test has to know. */
export function carelessStart(
  identity: GatewayIdentity,
  request: { directory: string; preciousFile: string; key: string },
): CarelessStart {
  const { node, root } = checkoutFor(identity.uid);
  const out = join(request.directory, "launcher");
  mkdirSync(out);
  chmodSync(out, 0o755);
  if (process.getuid?.() === 0) chownSync(out, identity.gatewayUid, identity.gatewayUid);
  return {
    program: ["python3", "-c", source, node, join(root, "src/main.ts")],
    env: {
      LAUNCHER_OUT: out,
      LAUNCHER_KEY: request.key,
      LAUNCHER_FILE: request.preciousFile,
    },
    terminal: () => readFileSync(join(out, "terminal"), "utf8"),
    keySerial: () => Number(readFileSync(join(out, "key"), "utf8")),
  };
}
