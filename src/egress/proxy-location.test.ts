import { expect, it } from "vitest";

import { locationFor } from "./proxy-location.ts";

const policy = { name: "up", baseUrl: "https://api.test:8443/base" };
const lead = (location: string, sent = "/base/v1/x") => locationFor(policy, sent, location);

it.each([
  ["https://api.test:8443/base/v2?a=1#b", "http://up.proxy/v2?a=1#b"],
  ["/base/v2", "http://up.proxy/v2"],
  ["y", "http://up.proxy/v1/y"],
  ["../v2/", "http://up.proxy/v2/"],
  ["?page=2", "http://up.proxy/v1/x?page=2"],
  ["/base", "http://up.proxy/"],
  ["//api.test:8443/base/v2", "http://up.proxy/v2"],
])("a redirect of the upstream to itself leads to the endpoint: %s (H08)", (given, wanted) => {
  expect(lead(given)).toBe(wanted);
});

it.each(
  [
    [
      "http://api.test:8443/base/v2",
      "https://api.test/base/v2",
      "https://evil.test/base",
      "//evil.test",
    ],
    ["/other", "/basement", "../../admin", "https://me@api.test:8443/base/x", "file:///etc/passwd"],
    ["data:text/plain,x", "", "http://[", "javascript:alert(1)"],
  ]
    .flat()
    .filter((given) => given !== ""),
)("any other stays what it is: %s (H08)", (given) => {
  expect(lead(given)).toBe(given);
});

it("an endpoint at the root of its host has all of it", () => {
  const root = { name: "up", baseUrl: "https://api.test" };
  expect(locationFor(root, "/v1", "https://api.test/v2")).toBe("http://up.proxy/v2");
  expect(locationFor(root, "/v1", "https://evil.test/v2")).toBe("https://evil.test/v2");
});
