/**
 * System calls that an attacker would try, with the error that each must give. The numbers are
 * written down here once more, so that a mistake in the filter's own table is seen.
 */

export const EPERM = 1;
export const ENOSYS = 38;
export const EOPNOTSUPP = 95;
export const EAFNOSUPPORT = 97;

type Numbers = [x64: number | null, arm64: number | null];
type Argument = number | string | bigint;

export interface SyscallTry {
  name: string;
  numbers: Numbers;
  args: Argument[];
  errno: number;
}

const both = (number: number): Numbers => [number, number];
const one = (name: string, numbers: Numbers, errno: number, ...args: Argument[]): SyscallTry => ({
  ...{ name, numbers, errno, args },
});

const namespaces: Record<string, number> = {
  CLONE_NEWNS: 0x20000,
  CLONE_NEWCGROUP: 0x2000000,
  CLONE_NEWUTS: 0x4000000,
  CLONE_NEWIPC: 0x8000000,
  CLONE_NEWUSER: 0x10000000,
  CLONE_NEWPID: 0x20000000,
  CLONE_NEWNET: 0x40000000,
};
const SIGCHLD = 17;
const MS_REMOUNT_BIND = 0x1020;

/** A06, A08: new namespaces and others'. */
export const namespaceTries: SyscallTry[] = [
  ...Object.entries(namespaces).flatMap(([name, flag]) => [
    one(`unshare ${name}`, [272, 97], EPERM, flag),
    one(`clone ${name}`, [56, 220], EPERM, flag | SIGCHLD, 0, 0, 0, 0),
  ]),
  one("unshare everything", [272, 97], EPERM, 0x7e020000),
  one("unshare with the high half set", [272, 97], EPERM, (1n << 32n) | 0x10000000n),
  one("clone3", both(435), ENOSYS, 0, 0),
  ...["user", "mnt", "net", "pid"].map((ns) =>
    one(`setns ${ns}`, [308, 268], EPERM, `fd:/proc/1/ns/${ns}`, 0),
  ),
];

/** A07: mounts, old and new. */
export const mountTries: SyscallTry[] = [
  one("mount a tmpfs", [165, 40], EPERM, "none", "/tmp", "tmpfs", 0, 0),
  one("mount proc", [165, 40], EPERM, "proc", "/tmp", "proc", 0, 0),
  one("remount the root", [165, 40], EPERM, "none", "/", "none", MS_REMOUNT_BIND, 0),
  one("remount sysctls", [165, 40], EPERM, "none", "/proc/sys", "none", MS_REMOUNT_BIND, 0),
  one("umount2 sysctls", [166, 39], EPERM, "/proc/sys", 2),
  one("umount2 a mask", [166, 39], EPERM, "/proc/keys", 2),
  one("pivot_root", [155, 41], EPERM, "/tmp", "/tmp"),
  one("chroot", [161, 51], EPERM, "/tmp"),
  one("fsopen", both(430), ENOSYS, "tmpfs", 0),
  one("fsconfig", both(431), ENOSYS, 0, 0, 0, 0, 0),
  one("fsmount", both(432), ENOSYS, 0, 0, 0),
  one("fspick", both(433), ENOSYS, -100, "/", 0),
  one("open_tree", both(428), ENOSYS, -100, "/", 1),
  one("move_mount", both(429), ENOSYS, -100, "/tmp", -100, "/workspace", 0),
  one("mount_setattr", both(442), ENOSYS, -100, "/", 0, 0, 0),
  one("open_tree_attr", both(467), ENOSYS, -100, "/", 1, 0, 0),
  one("statmount", both(457), ENOSYS, 0, 0, 0, 0),
  one("listmount", both(458), ENOSYS, 0, 0, 0, 0),
  one("name_to_handle_at", [303, 264], EPERM, -100, "/", 0, 0, 0),
  one("open_by_handle_at", [304, 265], EPERM, 0, 0, 0),
  one("openat2", both(437), ENOSYS, -100, "/tmp", 0, 0),
];

/** A09: other processes. */
export const processTries: SyscallTry[] = [
  one("ptrace me", [101, 117], EPERM, 0, 0, 0, 0),
  one("ptrace the first process", [101, 117], EPERM, 16, 1, 0, 0),
  one("process_vm_readv", [310, 270], EPERM, 1, 0, 0, 0, 0, 0),
  one("process_vm_writev", [311, 271], EPERM, 1, 0, 0, 0, 0, 0),
  one("kcmp", [312, 272], EPERM, 1, 1, 0, 0, 0),
  one("pidfd_getfd", both(438), ENOSYS, 0, 0, 0),
  one("process_madvise", both(440), ENOSYS, 0, 0, 0, 0, 0),
];

/** A10, A11: parts of the kernel that commands have no use for. */
export const kernelTries: SyscallTry[] = [
  one("add_key", [248, 217], EPERM, "user", "airlock", "x", 1, -2),
  one("request_key", [249, 218], EPERM, "user", "airlock-canary", 0, -3),
  one("keyctl", [250, 219], EPERM, 0, -3, 0, 0, 0),
  one("bpf", [321, 280], ENOSYS, 0, 0, 0),
  one("perf_event_open", [298, 241], ENOSYS, 0, 0, -1, -1, 0),
  one("userfaultfd", [323, 282], ENOSYS, 1),
  one("io_uring_setup", both(425), ENOSYS, 1, 0),
  one("io_uring_enter", both(426), ENOSYS, 0, 0, 0, 0, 0, 0),
  one("io_uring_register", both(427), ENOSYS, 0, 0, 0, 0),
  one("modify_ldt", [154, null], EPERM, 0, 0, 0),
  one("iopl", [172, null], EPERM, 3),
  one("ioperm", [173, null], EPERM, 0, 1, 1),
  one("memfd_secret", both(447), ENOSYS, 0),
  one("syslog", [103, 116], EPERM, 10, 0, 0),
  one("init_module", [175, 105], EPERM, 0, 0, ""),
  one("finit_module", [313, 273], EPERM, -1, "", 0),
  one("delete_module", [176, 106], EPERM, "airlock", 0),
  one("kexec_load", [246, 104], EPERM, 0, 0, 0, 0),
  one("reboot", [169, 142], EPERM, 0, 0, 0, 0),
  one("swapon", [167, 224], EPERM, "/tmp/x", 0),
  one("sethostname", [170, 161], EPERM, "owned", 5),
  one("acct", [163, 89], EPERM, 0),
  one("quotactl", [179, 60], EPERM, 0, 0, 0, 0),
  one("settimeofday", [164, 170], EPERM, 0, 0),
  one("clock_settime", [227, 112], EPERM, 0, 0),
  one("vmsplice", [278, 75], EPERM, 0, 0, 0, 0),
  one("personality", [135, 92], EPERM, 0x0400000),
  one("setxattr", [188, 5], EOPNOTSUPP, "/tmp", "user.a", "x", 1, 0),
  ...[3, 15, 17, 21, 29, 30, 31, 38, 40, 44].map((family) =>
    one(`socket of family ${family}`, [41, 198], EAFNOSUPPORT, family, 3, 0),
  ),
  ...[6, 9, 12, 15, 16].map((protocol) =>
    one(`netlink ${protocol}`, [41, 198], EAFNOSUPPORT, 16, 3, protocol),
  ),
  one("a call that does not exist yet", both(511), ENOSYS),
];

/** What must work with the very same program, or the answers above mean nothing. */
export const harmlessTries: SyscallTry[] = [
  one("getpid", [39, 172], 0),
  one("clone", [56, 220], 0, SIGCHLD, 0, 0, 0, 0),
  one("socket", [41, 198], 0, 1, 1, 0),
  one("netlink route", [41, 198], 0, 16, 3, 0),
  one("memfd_create", [319, 279], 0, "x", 0),
  one("getrandom", [318, 278], 0, 0, 0, 0),
];

/**
 * A Python program that makes each call in a process of its own (one may kill it, or make a child)
 * and prints a line `errno name` for it; `signal N name` when it was killed.
 */
export function syscallProbe(tries: SyscallTry[]): string {
  const column = process.arch === "arm64" ? 1 : 0;
  const calls = tries
    .filter(({ numbers }) => numbers[column] !== null)
    .map(({ name, numbers, args }) => [name, numbers[column], args.map(pythonArgument)]);
  return `
import base64, ctypes, json, os
libc = ctypes.CDLL(None, use_errno=True)
def value(argument):
    if isinstance(argument, dict):
        return ctypes.c_ulong(int(argument["wide"]))
    if isinstance(argument, str) and argument.startswith("fd:"):
        return ctypes.c_ulong(os.open(argument[3:], os.O_RDONLY))
    if isinstance(argument, str):
        return ctypes.c_char_p(argument.encode())
    return ctypes.c_long(argument)
for name, number, args in json.loads(base64.b64decode("${encoded(calls)}")):
    child = os.fork()
    if child == 0:
        values = [value(argument) for argument in args]
        top = os.getpid()
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(number), *values)
        if os.getpid() == top: os._exit(ctypes.get_errno() if result < 0 else 0)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status): print("signal", os.WTERMSIG(status), name)
    else: print(os.WEXITSTATUS(status), name)
`;
}

/** The lines that the probe must print. */
export function expectedLines(tries: SyscallTry[]): string[] {
  const column = process.arch === "arm64" ? 1 : 0;
  return tries
    .filter(({ numbers }) => numbers[column] !== null)
    .map(({ name, errno }) => `${errno} ${name}`);
}

function pythonArgument(argument: Argument): unknown {
  return typeof argument === "bigint" ? { wide: String(argument) } : argument;
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64");
}

/**
 * Machine code for x86-64, each run in a process of its own: the control, the same call by its x32
 * number, and by the gate of 32-bit programs.
 */
export const machineCodeProbe = `
import ctypes, mmap, os
def run(name, code):
    child = os.fork()
    if child == 0:
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(bytes.fromhex(code))
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        result = ctypes.CFUNCTYPE(ctypes.c_long)(address)()
        print(name, "itself" if result == os.getpid() else result, flush=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status): print(name, "signal", os.WTERMSIG(status), flush=True)
run("syscall", "b8270000000f05c3")
run("x32", "b8270000400f05c3")
run("int80", "b814000000cd80c3")
run("int80 ptrace", "b81a00000031db31c931d231f6cd80c3")
`;
