/**
 * The system call filter of every sandbox, as a classic BPF program. Namespaces decide what a
 * process can name; the filter takes away the kernel's rarely used and often broken doors (nested
 * namespaces, mounts, keyrings, io_uring …). It is a list of refusals, because toolchains use too
 * much for a list of permissions; calls newer than the list are refused as unknown.
 */
import { Problem } from "../contract/problem.ts";
import { lastReviewedCall, type Machine, machines } from "./syscalls.ts";

export interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_ANY_BIT = 0x45;
const AND = 0x54;
const RETURN = 0x06;

const NUMBER_OFFSET = 0;
const ARCH_OFFSET = 4;

const EPERM = 1;
const ENOSYS = 38;
const EOPNOTSUPP = 95;
const EAFNOSUPPORT = 97;

const allow = 0x7fff0000;
const killProcess = 0x80000000;
const fail = (errno: number) => 0x00050000 | errno;

/**
 * Unknown to the program, as on a kernel that was built without them: libraries then take their
 * older way.
 */
const absent = [
  ..."clone3 openat2 io_uring_setup io_uring_enter io_uring_register open_tree".split(" "),
  ..."open_tree_attr move_mount fsopen fsconfig fsmount fspick mount_setattr statmount".split(" "),
  ..."listmount memfd_secret userfaultfd bpf perf_event_open fanotify_init".split(" "),
  ..."fanotify_mark quotactl_fd pidfd_getfd process_madvise uselib nfsservctl _sysctl".split(" "),
  ..."sysfs ustat lookup_dcookie create_module get_kernel_syms query_module getpmsg".split(" "),
  ..."putpmsg afs_syscall tuxcall security vserver epoll_ctl_old epoll_wait_old".split(" "),
  ..."set_thread_area get_thread_area".split(" "),
];

const forbidden = [
  ..."ptrace process_vm_readv process_vm_writev kcmp add_key request_key keyctl".split(" "),
  ..."unshare setns mount umount2 pivot_root chroot swapon swapoff reboot".split(" "),
  ..."sethostname setdomainname init_module finit_module delete_module kexec_load".split(" "),
  ..."kexec_file_load acct quotactl syslog iopl ioperm modify_ldt settimeofday".split(" "),
  ..."clock_settime clock_adjtime adjtimex vhangup name_to_handle_at".split(" "),
  ..."open_by_handle_at move_pages migrate_pages mbind set_mempolicy get_mempolicy".split(" "),
  ..."set_mempolicy_home_node vmsplice".split(" "),
];

/**
 * Extended attributes can carry file capabilities; programs cope with a filesystem that has none.
 */
const unsupported = ["setxattr", "lsetxattr", "fsetxattr", "setxattrat"];

const NAMESPACE_FLAGS = 0x7e020000;
const SETUID_SETGID = 0o6000;
/** O_CREAT or O_TMPFILE: only with one of them does the mode argument mean anything. */
const CREATES = 0o100 | 0o20000000;
const TYPE_BITS = 0o170000;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const TIOCCONS = 0x541d;
const TIOCSETD = 0x5423;
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;

/** `op(k) ? skip jt instructions : skip jf instructions`, counted from the next one. */
const jump = (code: number, k: number, jt: number, jf: number): Instruction => ({
  code,
  jt,
  jf,
  k,
});
const load = (k: number): Instruction => ({ code: LOAD, jt: 0, jf: 0, k });
const give = (k: number): Instruction => ({ code: RETURN, jt: 0, jf: 0, k });
/**
 * The low word only: the kernel ignores the high half of these arguments, so a filter that compared
 * it could be fooled.
 */
const loadArgument = (index: number): Instruction => load(16 + 8 * index);

/**
 * Every body ends in a return on every path, so the loaded number is still there for the next rule.
 */
function rule(number: number | undefined, body: Instruction[]): Instruction[] {
  return number === undefined ? [] : [jump(JUMP_EQUAL, number, 0, body.length), ...body];
}

function refuseBits(argument: number, bits: number): Instruction[] {
  return [loadArgument(argument), jump(JUMP_ANY_BIT, bits, 0, 1), give(fail(EPERM)), give(allow)];
}

function refuseValues(argument: number, values: number[]): Instruction[] {
  const tests = values.flatMap((value) => [jump(JUMP_EQUAL, value, 0, 1), give(fail(EPERM))]);
  return [loadArgument(argument), ...tests, give(allow)];
}

function allowValues(argument: number, values: number[]): Instruction[] {
  const tests = values.flatMap((value) => [jump(JUMP_EQUAL, value, 0, 1), give(allow)]);
  return [loadArgument(argument), ...tests, give(fail(EPERM))];
}

function createRule(flags: number, mode: number): Instruction[] {
  return [
    loadArgument(flags),
    jump(JUMP_ANY_BIT, CREATES, 1, 0),
    give(allow),
    ...refuseBits(mode, SETUID_SETGID),
  ];
}

/** Plain files, FIFOs and sockets; a device node would be a door to the host's drivers. */
function nodeRule(mode: number): Instruction[] {
  const types = [0, 0o100000, 0o010000, 0o140000];
  return [
    loadArgument(mode),
    jump(JUMP_ANY_BIT, SETUID_SETGID, 0, 1),
    give(fail(EPERM)),
    { code: AND, jt: 0, jf: 0, k: TYPE_BITS },
    ...types.flatMap((type) => [jump(JUMP_EQUAL, type, 0, 1), give(allow)]),
    give(fail(EPERM)),
  ];
}

/**
 * Route netlink is what `getifaddrs` needs; vsock, packet, bluetooth, alg … have no use without a
 * network.
 */
function socketRule(): Instruction[] {
  return [
    loadArgument(0),
    ...[AF_UNIX, AF_INET, AF_INET6].flatMap((f) => [jump(JUMP_EQUAL, f, 0, 1), give(allow)]),
    jump(JUMP_EQUAL, AF_NETLINK, 1, 0),
    give(fail(EAFNOSUPPORT)),
    loadArgument(2),
    jump(JUMP_EQUAL, 0, 0, 1),
    give(allow),
    give(fail(EAFNOSUPPORT)),
  ];
}

/** The whole program for one machine, in order. */
export function filterProgram(machine: Machine): Instruction[] {
  const n = machine.numbers;
  const refuse = (names: string[], errno: number) =>
    names.flatMap((name) => rule(n[name], [give(fail(errno))]));
  return [
    load(ARCH_OFFSET),
    // Another calling convention (32 bit) numbers its calls differently, so no rule below would
    // mean anything.
    jump(JUMP_EQUAL, machine.auditArch, 1, 0),
    give(killProcess),
    load(NUMBER_OFFSET),
    // The x32 numbers (bit 30) are caught here as well.
    jump(JUMP_GREATER, lastReviewedCall, 0, 1),
    give(fail(ENOSYS)),
    ...refuse(absent, ENOSYS),
    ...refuse(forbidden, EPERM),
    ...refuse(unsupported, EOPNOTSUPP),
    ...rule(n.clone, refuseBits(0, NAMESPACE_FLAGS)),
    ...rule(n.ioctl, refuseValues(1, [TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD])),
    ...rule(n.personality, allowValues(0, [0, 0xffffffff])),
    ...rule(n.socket, socketRule()),
    ...rule(n.chmod, refuseBits(1, SETUID_SETGID)),
    ...rule(n.fchmod, refuseBits(1, SETUID_SETGID)),
    ...rule(n.fchmodat, refuseBits(2, SETUID_SETGID)),
    ...rule(n.fchmodat2, refuseBits(2, SETUID_SETGID)),
    ...rule(n.creat, refuseBits(1, SETUID_SETGID)),
    ...rule(n.open, createRule(1, 2)),
    ...rule(n.openat, createRule(2, 3)),
    ...rule(n.mknod, nodeRule(1)),
    ...rule(n.mknodat, nodeRule(2)),
    give(allow),
  ];
}

/**
 * The filter for a machine (`process.arch`) as the array of `struct sock_filter` that bwrap reads.
 * Throws `sandbox_unavailable` for a machine whose call numbers we do not have.
 */
export function seccompFilter(arch: string = process.arch): Buffer {
  const machine = machines[arch];
  if (machine === undefined) {
    throw new Problem(
      "sandbox_unavailable",
      `Cannot filter system calls on ${JSON.stringify(arch)}: expected one of x64, arm64`,
    );
  }
  const program = filterProgram(machine);
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jt, index * 8 + 2);
    bytes.writeUInt8(jf, index * 8 + 3);
    bytes.writeUInt32LE(k, index * 8 + 4);
  }
  return bytes;
}
