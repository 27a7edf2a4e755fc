import { expect, it } from "vitest";
import { Problem } from "../contract/problem.ts";
import { RunSubmission } from "../contract/submission.ts";
import { checked } from "./field-problems.ts";

it.each([
  "https://ada:sk_canary_4711@api.example.org",
  "https://api.example.org/?key=sk_canary_4711",
])("a base URL is not quoted, because a credential may stand in it: %s", (baseUrl) => {
  const endpoint = { name: "api", baseUrl, authShape: { type: "none" } };
  const policy = { ...endpoint, allowMethods: ["GET"], allowPathPrefixes: ["/"] };
  const submission = { model: "claude-x", prompt: "p", proxyEndpoints: [policy] };
  let problem: unknown;
  try {
    checked(RunSubmission, submission, "body");
  } catch (error) {
    problem = error;
  }
  if (!(problem instanceof Problem)) throw new Error("It was not refused");
  expect(problem.message).toMatch(/^Cannot use proxyEndpoints\[0\]\.baseUrl: must not /);
  expect(JSON.stringify([problem.message, problem.details])).not.toContain("canary");
});

it.each([
  [
    { kind: "workspace", id: "fil_abc123", mountPath: "/etc" },
    /^Cannot use files\[0\]\.mountPath "\/etc": must be below/,
  ],
  [
    { kind: "workspace", id: "skl_abc123" },
    /^Cannot use files\[0\]\.id "skl_abc123": expected an id like fil_/,
  ],
  [{ path: "../x", content: "x" }, /^Cannot use files\[0\]\.path/],
  [{ path: "x", content: "x", mode: 7 }, /^Cannot use files\[0\]: has the unknown member "mode"/],
])("what may be one thing or another is judged as what it was meant to be: %j", (file, message) => {
  const submission = { model: "claude-x", prompt: "p", files: [file] };
  expect(() => checked(RunSubmission, submission, "body")).toThrow(message);
});

it("a secret that stands where its name should is not quoted", () => {
  const swapped = { env: { "sk_canary-4711-ab": "TOKEN_OF_SOMEBODY" } };
  const headers = { "Bearer canary-4711": "Authorization" };
  const server = { name: "t", url: "https://mcp.example/" };
  for (const secrets of [swapped, { mcpServers: [{ ...server, headers }] }]) {
    const submission = { model: "claude-x", prompt: "p", mcpServers: [server], secrets };
    let problem: unknown;
    try {
      checked(RunSubmission, submission, "body");
    } catch (error) {
      problem = error;
    }
    if (!(problem instanceof Problem)) throw new Error("It was not refused");
    expect(problem.message).toMatch(/^Cannot use secrets\..*: has a name that is not accepted/);
    expect(JSON.stringify([problem.message, problem.details])).not.toContain("canary");
  }
});
