/** Secrets at the terminal: the ways that a value goes in, and that it comes out nowhere. */
import { randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { describe, expect, it, onTestFinished } from "vitest";
import { openFrontDoor } from "../../test/support/front-door.ts";
import { memorySecrets } from "../../test/support/memory-secrets.ts";
import { runCli } from "./cli.ts";

const value = `sk_${randomBytes(24).toString("base64url")}é`;

/** A gateway, and a terminal at which an admin sits. */
async function openDesk() {
  const room = memorySecrets();
  const door = openFrontDoor({ secrets: room });
  const server = await door.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close(0));
  const { secret, token } = door.token({ scopes: ["admin"] });
  const kept = (name: string) => room.valueOf(token.workspaceId, name);
  const env = { AIRLOCK_URL: server.url, AIRLOCK_TOKEN: secret };

  /** One command with what is piped into it. */
  async function piped(argv: string[], stdin: string | Buffer = "") {
    return await command(argv, Readable.from(stdin.length === 0 ? [] : [stdin]), false);
  }

  /** One command at a terminal. Each answer is typed once its question has been asked. */
  async function typed(argv: string[], answers: [RegExp, string | Buffer][]) {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const modes: boolean[] = [];
    const setRawMode = (on: boolean) => modes.push(on);
    const left = [...answers];
    const onAsked = (text: string) => {
      const next = left[0];
      if (next === undefined || !next[0].test(text)) return false;
      left.shift();
      stdin.write(next[1]);
      return true;
    };
    const result = await command(argv, Object.assign(stdin, { setRawMode }), true, onAsked);
    expect(left).toEqual([]);
    return { ...result, modes };
  }

  async function command(
    argv: string[],
    stdin: Readable,
    isTTY: boolean,
    onAsked?: (text: string) => boolean,
  ) {
    const said = { out: "", err: "", unanswered: "" };
    const stdout = Object.assign(new PassThrough(), { isTTY });
    const stderr = Object.assign(new PassThrough(), { isTTY });
    stdout.on("data", (chunk) => {
      said.out += chunk;
    });
    stderr.on("data", (chunk) => {
      said.err += chunk;
      said.unanswered += chunk;
      if (onAsked?.(said.unanswered)) said.unanswered = "";
    });
    const code = await runCli(argv, {
      ...{ stdin, stdout, stderr, env: { ...env, TERM: "dumb" } },
      ...{ onSignal: () => () => undefined, exit: () => undefined },
    });
    for (const text of [said.out, said.err]) expect(text).not.toContain(value.slice(0, 12));
    return { code, out: said.out, err: said.err };
  }

  return { door, kept, piped, typed };
}

describe("secrets set", () => {
  it("takes a value from stdin, cuts the line feed at its end, and says its length", async () => {
    const { kept, piped } = await openDesk();
    for (const [stdin, wanted] of [
      [`${value}\n`, value],
      [`${value}\r\n`, value],
      [value, value],
      [`${value}\n${value}\n\n`, `${value}\n${value}\n`],
      [` ${value} `, ` ${value} `],
    ] as const) {
      const { code, out } = await piped(["secrets", "set", "KEY"], stdin);
      expect(code).toBe(0);
      expect(out).toContain(`${[...wanted].length} characters`);
      expect(kept("KEY")).toBe(wanted);
    }
    const { out } = await piped(["secrets", "set", "KEY", "--json"], value);
    expect(JSON.parse(out)).toMatchObject({ created: false, secret: { version: 6 } });
  });

  it("refuses what is no value, and a value on the command line", async () => {
    const { door, kept, piped } = await openDesk();
    const wrong: [string[], string | Buffer, RegExp][] = [
      [["KEY"], "", /No value given/],
      [["KEY"], "\n", /expected 8 to/],
      [["KEY"], Buffer.from([0xff, 0xfe, 0x41]), /not text in UTF-8/],
      [["KEY"], "x".repeat(200_000), /more than 131072 bytes/],
      [["KEY"], "password", /too plain/],
      [["MY-KEY"], value, /name: expected a letter or _/],
      [["KEY", "another"], value, /too many arguments/i],
    ];
    for (const [argv, stdin, message] of wrong) {
      const { code, err } = await piped(["secrets", "set", ...argv], stdin);
      expect([code, err]).toEqual([2, expect.stringMatching(message)]);
    }
    expect(kept("KEY")).toBeUndefined();
    expect(door.logged()).not.toContain(value);
  });

  it("lets a person type it unseen, and asks whether its length is right", async () => {
    const { kept, typed } = await openDesk();
    const { code, modes, err } = await typed(
      ["secrets", "set", "KEY"],
      [
        [/Value of KEY/, `wrong\x15xx\x7f\b${value.slice(0, 10)}z\x7f${value.slice(10)}\r`],
        [new RegExp(`KEY has ${[...value].length} characters. Is that right\\?`), "y\n"],
      ],
    );
    expect(code).toBe(0);
    expect(kept("KEY")).toBe(value);
    expect(modes).toEqual([true, false]);
    expect(err).not.toContain("wrong");
  });

  it("sets nothing when the person says no, leaves, or types what cannot be meant", async () => {
    const { kept, typed } = await openDesk();
    const asked = /Value of KEY/;
    const refused: [string, [RegExp, string][], number, RegExp][] = [
      [
        "no",
        [
          [asked, `${value}\r`],
          [/right\?/, "n\n"],
        ],
        1,
        /Nothing was set/,
      ],
      ["Ctrl-C", [[asked, `${value}\x03`]], 130, /Nothing was set/],
      ["nothing", [[asked, "\r"]], 2, /No value given/],
      ["Ctrl-D", [[asked, "\x04"]], 2, /No value given/],
      ["two lines", [[asked, `${value}\n${value}\n`]], 2, /More than one line was pasted/],
      ["an arrow", [[asked, `${value}\x1b[D\r`]], 2, /no character of a value/],
    ];
    for (const [what, answers, wanted, message] of refused) {
      const { code, err, modes } = await typed(["secrets", "set", "KEY"], answers);
      expect([what, code, err]).toEqual([what, wanted, expect.stringMatching(message)]);
      expect(modes.at(-1)).toBe(false);
    }
    expect(kept("KEY")).toBeUndefined();
  });

  it("needs a terminal that can be asked, or stdin", async () => {
    const { typed } = await openDesk();
    const { code, err, modes } = await typed(["secrets", "set", "KEY", "--json"], []);
    expect([code, modes]).toEqual([2, []]);
    expect(err).toContain("airlock secrets set KEY < FILE");
  });
});

describe("secrets that are there", () => {
  it("are rotated, and until when the old value is masked is said (J04)", async () => {
    const { kept, piped } = await openDesk();
    const absent = await piped(["secrets", "rotate", "KEY"], value);
    expect(absent.code).toBe(1);
    expect(absent.err).toContain("airlock secrets set KEY");
    expect(kept("KEY")).toBeUndefined();
    await piped(["secrets", "set", "KEY"], "the-value-before");
    const rotated = await piped(["secrets", "rotate", "KEY"], value);
    expect(rotated.code).toBe(0);
    expect(rotated.out).toContain("version 2");
    expect(rotated.err).toContain("cut out of everything until 2030-01-08");
    expect(kept("KEY")).toBe(value);
  });

  it("are listed and deleted, and their key is rotated", async () => {
    const { kept, piped } = await openDesk();
    await piped(["secrets", "set", "ONE"], `${value}1`);
    await piped(["secrets", "set", "TWO"], `${value}2`);
    await piped(["secrets", "rotate", "TWO"], `${value}3`);
    const { out } = await piped(["secrets", "list"]);
    expect(out.split("\n").map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual([
      ["ONE", "version 1"],
      ["TWO", "version 2"],
      [""],
    ]);
    const lines = (await piped(["secrets", "list", "--json"])).out.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).name)).toEqual(["ONE", "TWO"]);
    expect((await piped(["secrets", "rotate-key"])).out).toContain("2 values sealed anew");
    expect((await piped(["secrets", "delete", "ONE"])).code).toBe(0);
    expect(kept("ONE")).toBeUndefined();
    expect((await piped(["secrets", "delete", "ONE"])).code).toBe(1);
  });
});
