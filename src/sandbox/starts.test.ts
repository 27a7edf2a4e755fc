import { expect, test } from "vitest";
import { openStarts } from "./starts.ts";

const never = new AbortController().signal;
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("only so many start at once, and those that wait start when others are done", async () => {
  const starts = openStarts(2, 10);
  const first = await starts.take("a", never);
  const second = await starts.take("b", never);
  expect(starts.takeIfIdle()).toBeUndefined();
  let entered = 0;
  const third = starts.take("c", never).then((done) => {
    entered += 1;
    return done;
  });
  await settled();
  expect(entered).toBe(0);
  first();
  first();
  (await third)();
  second();
  const idle = starts.takeIfIdle();
  expect(idle).toBeDefined();
  expect(starts.takeIfIdle()).toBeDefined();
  expect(starts.takeIfIdle()).toBeUndefined();
});

test("runs take turns, however many starts one of them asks for", async () => {
  const starts = openStarts(1, 100);
  const order: string[] = [];
  const done = await starts.take("busy", never);
  const asked = ["a", "a", "a", "a", "b", "b", "c"].map((run) =>
    starts.take(run, never).then((leave) => {
      order.push(run);
      leave();
    }),
  );
  await settled();
  done();
  await Promise.all(asked);
  expect(order.join("")).toBe("abcabaa");
});

test("too many that wait are refused, and one that gives up makes room", async () => {
  const starts = openStarts(1, 2);
  const done = await starts.take("a", never);
  const cancel = new AbortController();
  const cancelled = starts.take("b", cancel.signal);
  const waiting = starts.take("c", never);
  await expect(starts.take("d", never)).rejects.toMatchObject({ code: "too_many_requests" });
  cancel.abort(new Error("enough"));
  await expect(cancelled).rejects.toThrow("enough");
  const last = starts.take("d", never);
  done();
  (await waiting)();
  (await last)();
  await expect(starts.take("e", cancel.signal)).rejects.toThrow("enough");
});
