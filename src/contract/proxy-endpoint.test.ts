import { expect, it } from "vitest";
import { ProxyEndpointPolicy } from "./proxy-endpoint.ts";

const withHeader = (name: string) => ({
  ...{ name: "api", baseUrl: "https://api.example.org", authShape: { type: "header", name } },
  ...{ allowMethods: ["POST"], allowPathPrefixes: ["/"] },
});

it.each(["x-api-key", "Authorization", "cookie", "private-token"])(
  "a credential can travel in the header %s",
  (name) => expect(ProxyEndpointPolicy.safeParse(withHeader(name)).success).toBe(true),
);

it.each([
  ...["host", "Content-Length", "transfer-encoding", "connection", "keep-alive", "te", "trailer"],
  ...["upgrade", "expect", "proxy-connection"],
])("a credential cannot travel in %s, which frames or routes the message (H05)", (name) => {
  const { error } = ProxyEndpointPolicy.safeParse(withHeader(name));
  expect(error?.issues).toEqual([
    expect.objectContaining({
      path: ["authShape", "name"],
      message: expect.stringContaining("cannot carry a credential"),
    }),
  ]);
});
