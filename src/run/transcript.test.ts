import { describe, expect, it } from "vitest";
import {
  callFinished,
  callStarted,
  journalOf,
  provisioned,
  replied,
  started,
  submitted,
} from "../../test/support/journal-of.ts";
import { assert } from "../base/assert.ts";
import type { NewEvent } from "../contract/event.ts";
import type { Message } from "../model/model.ts";
import { applyEvent, foldState } from "./state.ts";
import { type Restore, transcript } from "./transcript.ts";

const asIs: Restore = async (value) => value;
const begun = [submitted({ prompt: ["Do this.", "Then that."] }), started, provisioned];

describe("transcript()", () => {
  it("begins with the prompt as one message", async () => {
    expect(await transcript(foldState("ws", journalOf(begun)), asIs)).toEqual([
      { role: "user", text: "Do this.\n\nThen that." },
    ]);
  });

  it("gives each turn back as it came, followed by the results of its calls under the model's own ids", async () => {
    const events = [
      ...begun,
      replied(1, [
        { callId: "a", args: { command: "one" } },
        { callId: "b", tool: "content_read", args: { name_or_handle: "x" } },
      ]),
      ...callStarted("a", 1),
      callFinished("a", { ok: true, stdout: "1" }),
      callFinished("b", { ok: false, message: "no" }, { tool: "content_read" }),
      replied(2, []),
    ];
    expect(await transcript(foldState("ws", journalOf(events)), asIs)).toEqual([
      { role: "user", text: "Do this.\n\nThen that." },
      {
        role: "assistant",
        parts: [
          { type: "text", text: "turn 1" },
          {
            type: "call",
            toolCallId: "model-a",
            tool: "sandbox_exec",
            arguments: { command: "one" },
          },
          {
            type: "call",
            toolCallId: "model-b",
            tool: "content_read",
            arguments: { name_or_handle: "x" },
          },
        ],
      },
      {
        role: "tool",
        results: [
          { toolCallId: "model-a", tool: "sandbox_exec", result: { ok: true, stdout: "1" } },
          { toolCallId: "model-b", tool: "content_read", result: { ok: false, message: "no" } },
        ],
      },
      { role: "assistant", parts: [{ type: "text", text: "turn 2" }] },
    ]);
  });

  it("puts back what was kept as a blob, in texts, arguments, results and signatures", async () => {
    const restore: Restore = async (value) =>
      JSON.parse(JSON.stringify(value), (_, node) => (node?.blob ? `whole of ${node.blob}` : node));
    const ref = (blob: string) => ({ blob, bytes: 1, head: "h" });
    const reply = replied(1, [{ callId: "a", args: { content: ref("args") } }], {
      parts: [
        {
          type: "reasoning",
          text: ref("thought"),
          provider_metadata: { signature: ref("signed") },
        },
      ],
    });
    const events = [
      ...begun,
      reply,
      ...callStarted("a", 1),
      callFinished("a", { out: ref("result") }),
    ];
    const [, assistant, tool] = await transcript(foldState("ws", journalOf(events)), restore);
    expect(assistant).toMatchObject({
      parts: [
        {
          type: "reasoning",
          text: "whole of thought",
          providerMetadata: { signature: "whole of signed" },
        },
        { type: "call", arguments: { content: "whole of args" } },
      ],
    });
    expect(tool).toMatchObject({ results: [{ result: { out: "whole of result" } }] });
  });

  it("tells nothing that came after what the turn will say it has read: the next one tells it, once", async () => {
    const said = (text: string): NewEvent => ({
      type: "message.received",
      data: { from_run_id: null, from: "somebody", text },
    });
    const state = foldState("ws", journalOf([...begun, said("early")]));
    const readSeq = state.seq;
    const events = journalOf([...begun, said("early"), said("late"), replied(1, [])]);
    const late = events[readSeq];
    assert(late, "there is a late message");
    applyEvent(state, late);
    const told = (messages: Message[]) =>
      messages.flatMap((one) => (one.role === "user" ? [one.text] : []));
    expect(told(await transcript(state, asIs, readSeq)).slice(1)).toEqual(["early"]);
    expect(told(await transcript(state, asIs)).slice(1)).toEqual(["early", "late"]);
  });
});
