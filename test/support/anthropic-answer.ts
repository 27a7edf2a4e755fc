/** What Anthropic answers with, as the events of its stream. */

export interface Block {
  start: Record<string, unknown>;
  deltas?: object[];
}

export const text = (said: string): Block => ({
  start: { type: "text", text: "" },
  deltas: [{ type: "text_delta", text: said }],
});
/** A command that the provider ran by itself, with what came of it. */
export const ran: Block[] = [
  {
    start: { type: "server_tool_use", id: "srvtoolu_1", name: "bash_code_execution", input: {} },
    deltas: [{ type: "input_json_delta", partial_json: '{"command": "python make.py"}' }],
  },
  {
    start: {
      ...{ type: "bash_code_execution_tool_result", tool_use_id: "srvtoolu_1" },
      content: {
        ...{ type: "bash_code_execution_result", content: [], stdout: "made", stderr: "" },
        return_code: 0,
      },
    },
  },
];
/** A call of a tool of ours, `look`. */
export const called: Block = {
  start: { type: "tool_use", id: "toolu_1", name: "look", input: {} },
  deltas: [{ type: "input_json_delta", partial_json: "{}" }],
};

/** One answer of Anthropic's, as its events. */
export function said(blocks: Block[], stopReason: string): object[] {
  const usage = { input_tokens: 10, output_tokens: 0 };
  const message = { id: "msg_1", type: "message", role: "assistant", content: [], usage };
  const container = { id: "container_1", expires_at: "2030-01-01T00:00:00Z", skills: null };
  return [
    { type: "message_start", message: { ...message, model: "claude", stop_reason: null } },
    ...blocks.flatMap(({ start, deltas = [] }, index) => [
      { type: "content_block_start", index, content_block: start },
      ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index },
    ]),
    {
      type: "message_delta",
      delta: { stop_reason: stopReason, stop_sequence: null, container },
      usage: { output_tokens: 5 },
    },
    { type: "message_stop" },
  ];
}
