import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { Problem } from "../contract/problem.ts";
import { RunSubmission } from "../contract/submission.ts";
import { checkUpstreams } from "./check-upstreams.ts";

function submissionWith(proxyUrls: string[], providerUrl?: string): z.output<typeof RunSubmission> {
  return RunSubmission.parse({
    ...{ model: "openai/m", prompt: "p" },
    proxyEndpoints: proxyUrls.map((baseUrl, at) => ({
      ...{ name: `e${at}`, baseUrl, authShape: { type: "none" } },
      ...{ allowMethods: ["GET"], allowPathPrefixes: ["/"] },
    })),
    ...(providerUrl
      ? { secrets: { openai: { apiKey: "sk-12345678", baseUrl: providerUrl } } }
      : {}),
  });
}

function problemOf(...of: Parameters<typeof checkUpstreams>): Problem | undefined {
  try {
    checkUpstreams(...of);
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

const open = "https://api.example.com";

describe("the upstreams that a submission names", () => {
  it.each([
    "https://127.1",
    "https://0x7f000001/v1",
    "https://[::1]",
    "https://metadata.google.internal",
    "http://api.example.com",
  ])("%s is refused by its field, as a proxy endpoint and as a provider's address (H10)", (url) => {
    const endpoint = problemOf(submissionWith([open, url]), []);
    expect(endpoint).toMatchObject({ code: "invalid_request" });
    expect(endpoint?.message).toContain("proxyEndpoints.1.baseUrl: ");
    const provider = problemOf(submissionWith([open], url), []);
    expect(provider).toMatchObject({ code: "invalid_request" });
    expect(provider?.message).toContain("secrets.openai.baseUrl: ");
  });

  it("are taken when they are of the public internet, or the operator lists them", () => {
    expect(problemOf(submissionWith([open], `${open}/v1`), [])).toBeUndefined();
    const local = submissionWith(["http://localhost:8080"], "http://localhost:8080/v1");
    expect(problemOf(local, ["localhost:8081"])).toBeDefined();
    expect(problemOf(local, ["localhost:8080"])).toBeUndefined();
    expect(problemOf(submissionWith([]), [])).toBeUndefined();
  });
});
