import { describe, expect, test } from "vitest";
import { cpuMs } from "../../test/support/cpu-ms.ts";
import { newId } from "../contract/ids.ts";
import { secretShapes } from "./secret-shapes.ts";

const x = (length: number) => "aB3dE5gH7j".repeat(10).slice(0, length);

describe("secretShapes", () => {
  test.each([
    [`invalid x-api-key: sk-ant-api03-${x(40)}`, "invalid x-api-key: [redacted]"],
    [`Incorrect API key provided: sk-proj-${x(30)}.`, "Incorrect API key provided: [redacted]."],
    [`authorization: Bearer ${x(20)}`, "authorization: Bearer [redacted]"],
    [`{"token":"airlock_${x(43)}"}`, '{"token":"[redacted]"}'],
    [`AKIAIOSFODNN7EXAMPLE in us-east-1`, "[redacted] in us-east-1"],
    [`?key=AIza${x(35)}&alt=sse`, "?key=[redacted]&alt=sse"],
    [`remote: ghp_${x(36)}`, "remote: [redacted]"],
    [`jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${x(43)}`, "jwt [redacted]"],
    [`Authorization: Basic dXNlcjpwYXNzd29yZDE=`, "Authorization: Basic [redacted]"],
  ])("redacts %j", (text, expected) => {
    expect(secretShapes(text)).toBe(expected);
  });

  test.each([
    `run ${newId("run")} called ${newId("call")} and made ${newId("output")}`,
    `blob sha256:${"0123456789abcdef".repeat(4)} cnt_01234567 layer_${"ab".repeat(16)}`,
    "the model claude-sonnet-4-5-20250929 is overloaded",
    "/workspace/outputs/report-2026/final-v2.tar.gz",
    "Bearer authentication is required; use a Bearer token",
    "task-management-and-risk-assessment-documents",
    "8c1b6f0a-2f6e-4b6a-9d2e-0c9a5f8f0b11",
  ])("leaves %j alone", (text) => {
    expect(secretShapes(text)).toBe(text);
  });

  test("takes linear time on text made to slow it down", async () => {
    const parts = ["eyJ", "Bearer ", "sk-", "eyJaaaaaaaa.", "Bearer aaaaaaaaaaaaaaaaaaaaaaa!"];
    const look = () => parts.map((part) => secretShapes(part.repeat(200_000)));
    expect(await cpuMs(look)).toBeLessThan(10_000);
  });
});
