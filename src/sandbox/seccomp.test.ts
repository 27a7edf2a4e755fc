import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRoom, type Room } from "./room.testing.ts";
import { filterProgram, type Instruction, seccompFilter } from "./seccomp.ts";
import { lastReviewedCall, type Machine, machines } from "./syscalls.ts";

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const errno = (value: number) => 0x00050000 | value;
const [EPERM, ENOSYS, EOPNOTSUPP, EAFNOSUPPORT] = [1, 38, 95, 97].map(errno);

/** The kernel's classic BPF, as far as the filter uses it. */
function judge(program: Instruction[], nr: number, args: bigint[] = [], arch?: number): number {
  const data = Buffer.alloc(64);
  data.writeInt32LE(nr | 0, 0);
  data.writeUInt32LE(arch ?? 0, 4);
  for (const [i, arg] of args.entries()) data.writeBigUInt64LE(BigInt.asUintN(64, arg), 16 + 8 * i);
  let a = 0;
  for (let pc = 0; pc < program.length; pc++) {
    const { code, jt, jf, k } = program[pc] as Instruction;
    if (code === 0x20) a = data.readUInt32LE(k);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x06) return k >>> 0;
    else if (code === 0x15) pc += a === k >>> 0 ? jt : jf;
    else if (code === 0x25) pc += a > k >>> 0 ? jt : jf;
    else if (code === 0x45) pc += (a & k) !== 0 ? jt : jf;
    else throw new Error(`instruction ${code.toString(16)}`);
  }
  throw new Error("the program has no end");
}

describe.each(Object.entries(machines))("the filter for %s", (arch, machine: Machine) => {
  const program = filterProgram(machine);
  const verdict = (name: string, ...args: (number | bigint)[]) => {
    const nr = machine.numbers[name];
    return nr === undefined ? undefined : judge(program, nr, args.map(BigInt), machine.auditArch);
  };
  /** A call that this machine does not have cannot be judged, and needs no rule. */
  const expectVerdict = (name: string, args: (number | bigint)[], wanted: number | undefined) => {
    const found = verdict(name, ...args);
    if (found !== undefined) expect([name, args, found]).toEqual([name, args, wanted]);
  };

  test("is small enough for the kernel and whole", () => {
    expect(program.length).toBeLessThan(4096);
    expect(seccompFilter(arch)).toHaveLength(program.length * 8);
    for (const { jt, jf } of program) expect(Math.max(jt, jf)).toBeLessThan(256);
  });

  test("kills a call of another machine and does not know newer ones", () => {
    expect(judge(program, 1, [], machine.auditArch ^ 0x80000000)).toBe(KILL);
    expect(judge(program, lastReviewedCall + 1, [], machine.auditArch)).toBe(ENOSYS);
    expect(judge(program, 0x40000000 | 101, [], machine.auditArch)).toBe(ENOSYS);
    expect(judge(program, 0xffffffff, [], machine.auditArch)).toBe(ENOSYS);
  });

  test.each([
    ["ptrace", EPERM],
    ["mount", EPERM],
    ["unshare", EPERM],
    ["setns", EPERM],
    ["keyctl", EPERM],
    ["chroot", EPERM],
    ["clone3", ENOSYS],
    ["openat2", ENOSYS],
    ["io_uring_setup", ENOSYS],
    ["bpf", ENOSYS],
    ["userfaultfd", ENOSYS],
    ["setxattr", EOPNOTSUPP],
    ["setxattrat", EOPNOTSUPP],
  ])("refuses %s", (name, wanted) => {
    expect(verdict(name)).toBe(wanted);
  });

  test("refuses new namespaces and lets threads be", () => {
    const flags = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000];
    for (const flag of flags) expectVerdict("clone", [flag | 17], EPERM);
    expectVerdict("clone", [0x3d0f00], ALLOW);
    expectVerdict("clone", [17], ALLOW);
  });

  test("looks at the low word of a terminal request, as the kernel does", () => {
    for (const request of [0x5412, 0x541c, 0x541d, 0x5423]) {
      expectVerdict("ioctl", [1, request], EPERM);
      expectVerdict("ioctl", [1, (1n << 32n) | BigInt(request)], EPERM);
    }
    expectVerdict("ioctl", [1, 0x5401], ALLOW);
  });

  test("lets only sockets of useful families be", () => {
    for (const family of [1, 2, 10]) expectVerdict("socket", [family, 1, 0], ALLOW);
    expectVerdict("socket", [16, 3, 0], ALLOW);
    expectVerdict("socket", [16, 3, 9], EAFNOSUPPORT);
    for (const family of [3, 17, 29, 31, 38, 40, 44]) {
      expectVerdict("socket", [family, 1, 0], EAFNOSUPPORT);
    }
  });

  test("refuses setuid and setgid bits in every way to make them", () => {
    const ways: [string, (mode: number) => number[]][] = [
      ["chmod", (mode) => [0, mode]],
      ["fchmod", (mode) => [0, mode]],
      ["fchmodat", (mode) => [0, 0, mode]],
      ["fchmodat2", (mode) => [0, 0, mode]],
      ["creat", (mode) => [0, mode]],
      ["open", (mode) => [0, 0o101, mode]],
      ["openat", (mode) => [0, 0, 0o101, mode]],
      ["openat", (mode) => [0, 0, 0o20200002, mode]],
      ["mknod", (mode) => [0, mode | 0o100000]],
      ["mknodat", (mode) => [0, 0, mode | 0o100000]],
    ];
    for (const [name, args] of ways) {
      expectVerdict(name, args(0o4755), EPERM);
      expectVerdict(name, args(0o2755), EPERM);
      expectVerdict(name, args(0o755), ALLOW);
    }
    // Without O_CREAT the mode is whatever was in the register.
    expectVerdict("openat", [0, 0, 0, 0o6777], ALLOW);
  });

  test("lets plain nodes be made and no devices", () => {
    for (const type of [0, 0o100000, 0o010000, 0o140000]) {
      expectVerdict("mknodat", [0, 0, type | 0o644], ALLOW);
      expectVerdict("mknod", [0, type | 0o644], ALLOW);
    }
    for (const type of [0o020000, 0o060000]) {
      expectVerdict("mknodat", [0, 0, type | 0o644], EPERM);
      expectVerdict("mknod", [0, type | 0o644], EPERM);
    }
  });

  test("lets the personality be asked for and not be changed", () => {
    expectVerdict("personality", [0], ALLOW);
    expectVerdict("personality", [0xffffffff], ALLOW);
    expectVerdict("personality", [0x0400000], EPERM);
    expectVerdict("personality", [8], EPERM);
  });

  test("comes to a verdict for every call, and allows what no rule names", () => {
    const named = new Set(Object.values(machine.numbers));
    const word = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: lastReviewedCall }),
        fc.array(word, { minLength: 6, maxLength: 6 }),
        (nr, args) => {
          const found = judge(program, nr, args, machine.auditArch);
          return named.has(nr) || found === ALLOW;
        },
      ),
    );
  });
});

test("another machine is refused by name", () => {
  expect(() => seccompFilter("riscv64")).toThrow('on "riscv64"');
});

describe("inside a real sandbox", () => {
  let room: Room;
  beforeAll(async () => {
    room = await openRoom();
  });
  afterAll(() => room.close());

  test("the kernel gives the same verdicts", async () => {
    const n = machines[process.arch]?.numbers ?? {};
    const calls = [
      [n.unshare, 0x10000000],
      [n.keyctl, 0, 0],
      [n.bpf, 0],
      [n.clone3, 0, 0],
      [n.io_uring_setup, 1, 0],
      [n.ioctl, 0, 0x5412],
      [n.socket, 40, 1, 0],
      [n.socket, 2, 1, 0],
      [n.personality, 0xffffffff],
      [n.personality, 0x0400000],
      [500],
    ];
    const script = `
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for call in ${JSON.stringify(calls)}:
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_ulong(value) for value in call])
    print(0 if result >= 0 else ctypes.get_errno())`;
    const said = await room.run(`python3 - <<'END'\n${script}\nEND`);
    const verdicts = said.stdout.trim().split("\n").map(Number);
    expect(verdicts).toEqual([1, 1, 38, 38, 38, 1, 97, 0, 0, 1, 38]);
  });
});
