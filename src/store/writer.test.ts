import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openBroken } from "./broken.ts";
import { type Database, openDatabase } from "./database.ts";
import { openWriter, type Tx, type Writer } from "./writer.ts";

async function open(
  queueMax?: number,
): Promise<{ db: Database; writer: Writer; broken: unknown[] }> {
  const log = openLog("silent");
  const errors: unknown[] = [];
  const broken = openBroken(log, (error) => errors.push(error));
  const db = await openDatabase(await tempDir("writer"), broken);
  const checkpoint = db.checkpointWhenDue;
  const options = { db: db.writes, broken, log, checkpoint, clock: systemClock };
  const writer = openWriter(queueMax === undefined ? options : { ...options, queueMax });
  onTestFinished(async () => {
    await writer.close();
    db.close();
  });
  return { db, writer, broken: errors };
}

const put = (key: string, value: number) => (tx: Tx) =>
  tx.insertInto("meta").values({ key, value }).execute();

async function stored(db: Database): Promise<Record<string, number>> {
  const rows = await db.reads.selectFrom("meta").selectAll().execute();
  return Object.fromEntries(rows.map((row) => [row.key, row.value]));
}

const large = put("x".repeat(2_000_000), 1);

describe("the writer", () => {
  it("answers only when a second connection can see the write", async () => {
    const { db, writer } = await open();
    await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        await writer.write(put(`k${index}`, index));
        expect(await stored(db)).toMatchObject({ [`k${index}`]: index });
      }),
    );
  });

  it("shows nobody a write that is not committed", async () => {
    const { db, writer } = await open();
    let seen: unknown;
    await writer.write(async (tx) => {
      await put("secret", 1)(tx);
      seen = await stored(db);
    });
    expect(seen).not.toHaveProperty("secret");
  });

  it("puts all writes of one tick into one transaction", async () => {
    const { writer } = await open();
    const order: string[] = [];
    const one = (name: string) =>
      writer.write(
        async () => order.push(`work ${name}`),
        () => order.push(`committed ${name}`),
      );
    await Promise.all([one("a"), one("b"), Promise.resolve().then(() => one("c"))]);
    expect(order).toEqual([
      "work a",
      "work b",
      "work c",
      "committed a",
      "committed b",
      "committed c",
    ]);
  });

  it("keeps exactly the writes that it acknowledged, whatever fails beside them", async () => {
    const { db, writer } = await open();
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("good", "throws", "conflicts"), { minLength: 1, maxLength: 30 }),
        async (kinds) => {
          round++;
          const outcomes = await Promise.allSettled(
            kinds.map((kind, index) =>
              writer.write(async (tx) => {
                await put(`${round}.${index}`, index)(tx);
                if (kind === "throws") throw new RangeError("asked to");
                if (kind === "conflicts") await put("schema_version", 999)(tx);
              }),
            ),
          );
          const rows = await stored(db);
          for (const [index, kind] of kinds.entries()) {
            expect(outcomes[index]?.status).toBe(kind === "good" ? "fulfilled" : "rejected");
            expect(`${round}.${index}` in rows).toBe(kind === "good");
          }
          expect(rows.schema_version).not.toBe(999);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("acknowledges a write whose follower throws", async () => {
    const { db, writer } = await open();
    const written = writer.write(put("k", 1), () => {
      throw new RangeError("a follower");
    });
    await expect(written).resolves.toBeDefined();
    expect(await stored(db)).toHaveProperty("k");
  });

  it("refuses more writes than may wait", async () => {
    const { db, writer } = await open(3);
    const outcomes = await Promise.allSettled(
      ["a", "b", "c", "d"].map((key) => writer.write(put(key, 1))),
    );
    expect(outcomes.map((outcome) => outcome.status)).toEqual([
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
    ]);
    expect(outcomes[3]).toMatchObject({ reason: { code: "too_many_requests" } });
    expect(await stored(db)).not.toHaveProperty("d");
  });

  it("finishes what was asked for before it closes, and takes nothing after", async () => {
    const { db, writer } = await open();
    const written = Array.from({ length: 300 }, (_, index) => writer.write(put(`k${index}`, 1)));
    await writer.close();
    await Promise.all(written);
    expect(Object.keys(await stored(db)).length).toBeGreaterThanOrEqual(300);
    await expect(writer.write(put("late", 1))).rejects.toMatchObject({ code: "shutting_down" });
  });

  it("answers storage_full to the write that does not fit, and the small ones beside it succeed", async () => {
    const { db, writer, broken } = await open();
    db.limitPages(60);
    const [a, big, b] = await Promise.allSettled([
      writer.write(put("a", 1)),
      writer.write(large),
      writer.write(put("b", 2)),
    ]);
    expect(big).toMatchObject({ status: "rejected", reason: { code: "storage_full" } });
    expect([a.status, b.status]).toEqual(["fulfilled", "fulfilled"]);
    expect(await stored(db)).toMatchObject({ a: 1, b: 2 });
    expect(broken).toEqual([]);
  });

  it("refuses every write on a full disk, still reads, and goes on when there is space again", async () => {
    const { db, writer, broken } = await open();
    await writer.write(put("before", 1));
    db.limitPages(1);
    const many = (key: string) =>
      writer.write(async (tx) => {
        for (let index = 0; index < 200; index++) {
          await put(`${key}.${index}.${"x".repeat(200)}`, index)(tx);
        }
      });
    const outcomes = await Promise.allSettled([many("p"), many("q")]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "storage_full" } });
    }
    expect(await stored(db)).toMatchObject({ before: 1 });
    db.limitPages(100_000);
    await many("r");
    const keys = Object.keys(await stored(db));
    expect(keys.filter((key) => key.startsWith("r."))).toHaveLength(200);
    expect(keys.some((key) => key.startsWith("p.") || key.startsWith("q."))).toBe(false);
    expect(broken).toEqual([]);
  });
});
