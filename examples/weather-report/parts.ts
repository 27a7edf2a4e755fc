/**
 * What a model would say in the parts of the story, as data: so that the example runs without a key, and the same way each
 * time. With a key of a provider none of this is used.
 */

/** A message of a conversation, as chat completions have it. */
export interface ChatMessage {
  role: string;
  content: unknown;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

type Result = Record<string, unknown>;

/** What was answered so far, newest first by tool. */
export interface Told {
  prompt: string;
  /** The newest result of this tool. */
  last(tool: string): Result;
}

/** A turn: what is said, or which calls are asked for. */
export type Step = (told: Told) => string | { tool: string; arguments: unknown }[];

const program = `#!/usr/bin/env python3
"""A weather report from the readings of a file, as a page of a weather service would be asked for."""
import json
import sys

sys.path.insert(0, "/tmp/venv")
import requests


def report(readings):
    low, high = min(readings["celsius"]), max(readings["celsius"])
    asked = requests.Request(
        "GET", "https://weather.example.org/today", params={"city": readings["city"]}
    ).prepare()
    return f"{readings['city']}: {low} to {high} degrees ({asked.url})"


if __name__ == "__main__":
    print(report(json.loads(sys.argv[1])))
`;

const test = `import sys, types

stub = types.ModuleType("requests")


class Request:
    def __init__(self, method, url, params):
        self.url = f"{url}?city={params['city']}"

    def prepare(self):
        return self


stub.Request = Request
sys.modules["requests"] = stub
sys.path.insert(0, "/tmp")
from weather import report

told = report({"city": "Oslo", "celsius": [3, -1, 7]})
assert told.startswith("Oslo: -1 to 7 degrees"), told
print("1 test passed")
`;

/** The first version takes the first and the last reading for the lowest and the highest. */
const firstProgram = program.replace(
  'min(readings["celsius"]), max(readings["celsius"])',
  'readings["celsius"][0], readings["celsius"][-1]',
);

const readings = JSON.stringify({ city: "Bergen", celsius: [4, 9, 2, 6] });

const call = (tool: string, args: unknown) => ({ tool, arguments: args });
const write = (name: string, content: string) => call("content_write", { name, content });
const runTest = call("sandbox_exec", {
  command: "python3 /tmp/test_weather.py",
  intent: "Test the report; requests is a stub",
  network: "none",
});

/** The ref of the artifact that a task handed over, in its reply. */
function refIn(text: unknown): string {
  return /ar\.[A-Za-z0-9_-]+/.exec(String(text))?.[0] ?? "ar.missing";
}

const planner: Step[] = [
  () => [call("workflow_state", {})],
  ({ prompt }) => [call("agent_spawn", { agent_id: "coder.default", message: prompt })],
  (told) => {
    const ref = refIn(told.last("agent_spawn").assistant_reply);
    const message = `Put the packages of requirements.txt into a layer of the artifact ${ref}`;
    return [call("agent_spawn", { agent_id: "packager.default", message })];
  },
  (told) => {
    const ref = refIn(told.last("agent_spawn").assistant_reply);
    const message = `Start weather.py of the artifact ${ref} once and tell what it says`;
    return [call("agent_spawn", { agent_id: "executor.default", message })];
  },
  (told) => `The weather report is ready. ${told.last("agent_spawn").assistant_reply}`,
];

const coder: Step[] = [
  () => [call("workflow_state", {})],
  () => [
    write("weather.py", firstProgram),
    write("test_weather.py", test),
    write("requirements.txt", "requests\n"),
  ],
  () => [runTest],
  () => [write("weather.py", program)],
  () => [runTest],
  () => [
    call("artifact_build", {
      inputs: ["weather.py", "requirements.txt"],
      entrypoints: ["weather.py"],
    }),
  ],
  (told) =>
    JSON.stringify({
      status: "needs_packager",
      reason: `The test passes; ${told.last("artifact_build").artifact_ref} imports requests`,
      dependency_files: ["requirements.txt"],
    }),
];

const packager: Step[] = [
  () => [call("workflow_state", {})],
  () => [call("content_read", { name_or_handle: "requirements.txt" })],
  () => [
    call("sandbox_exec", {
      command: "pip install -r /tmp/requirements.txt --target /tmp/venv",
      intent: "Install what the program imports",
      capture_paths: [{ path: "/tmp/venv", mount_as: "/opt/venv" }],
    }),
  ],
  (told) => {
    const [layer] = told.last("sandbox_exec").captured_layers as Record<string, string>[];
    return [
      call("artifact_build", {
        inputs: [refIn(told.prompt), "requirements.txt"],
        entrypoints: ["weather.py"],
        layers: [
          {
            ...{ layer_id: layer?.layer_id, name: "python-deps" },
            ...{ mount_path: "/tmp/venv", digest: layer?.digest },
          },
        ],
      }),
    ];
  },
  (told) => `Built layered artifact: ${told.last("artifact_build").artifact_ref}`,
];

const executor: Step[] = [
  ({ prompt }) => [
    call("artifact_exec", {
      ...{ artifact_ref: refIn(prompt), entrypoint: "weather.py", args: [readings] },
      ...{ intent: "Run the report once", network: "none" },
    }),
  ],
  (told) => `${refIn(told.prompt)} says: ${String(told.last("artifact_exec").stdout).trim()}`,
];

const parts: Record<string, Step[]> = {
  "planner.default": planner,
  "coder.default": coder,
  "packager.default": packager,
  "executor.default": executor,
};

/**
 * The next turn of the part that this conversation is. It follows from what was said alone, so a gateway that was killed
 * and asks again gets the same; a turn whose calls were interrupted by that is said once more.
 */
export function nextTurn(messages: readonly ChatMessage[]): ReturnType<Step> {
  const system = String(messages.find(({ role }) => role === "system")?.content);
  const name = /You are the agent ([\w.-]+)\. /.exec(system)?.[1] ?? "";
  const steps = parts[name];
  if (steps === undefined) return `Nobody plays ${name}`;
  const results = new Map(
    messages
      .filter(({ role }) => role === "tool")
      .map(({ tool_call_id, content }) => [tool_call_id, JSON.parse(String(content)) as Result]),
  );
  const turns = messages.filter(({ role }) => role === "assistant");
  const done = turns.filter(({ tool_calls = [] }) =>
    tool_calls.every(({ id }) => results.get(id)?.interrupted !== true),
  );
  const step = steps[done.length];
  const prompt = String(messages.find(({ role }) => role === "user")?.content);
  return step?.({ prompt, last: (tool) => newest(turns, results, tool) }) ?? "I am done.";
}

function newest(
  turns: readonly ChatMessage[],
  results: Map<unknown, Result>,
  tool: string,
): Result {
  const calls = turns.flatMap(({ tool_calls = [] }) => tool_calls);
  const ids = calls.filter((one) => one.function.name === tool).map(({ id }) => id);
  const told = ids.flatMap((id): Result[] => {
    const result = results.get(id);
    return result === undefined ? [] : [result];
  });
  return told.findLast(({ interrupted }) => interrupted !== true) ?? {};
}
