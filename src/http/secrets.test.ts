/** Secrets over HTTP: values go in, whatever is wrong with them, and nothing that comes out holds one. */
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { bodyOf, openFrontDoor } from "../../test/support/front-door.ts";
import { memorySecrets } from "../../test/support/memory-secrets.ts";
import { newId } from "../contract/ids.ts";
import { ErrorBody } from "../contract/problem.ts";
import type { Scope } from "../contract/token.ts";

const json = { "content-type": "application/json" };
const value = `sk_${randomBytes(24).toString("base64url")}`;

function openDoor() {
  const secrets = memorySecrets();
  const door = openFrontDoor({ secrets });
  const caller = (scopes: Scope[] = ["admin"], workspaceId = newId("workspace")) => {
    const { header, token } = door.token({ scopes, workspaceId });
    const ask = (method: string, path: string, body?: unknown) =>
      Promise.resolve(
        door.app.request(path, {
          method,
          headers: { ...header, ...(body === undefined ? {} : json) },
          ...(body === undefined
            ? {}
            : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        }),
      );
    return { ask, token };
  };
  return { door, secrets, caller };
}

describe("a secret", () => {
  it("is made with 201, replaced with 200, listed without its value, and deleted with 204", async () => {
    const { secrets, caller } = openDoor();
    const { ask, token } = caller();
    const made = await ask("PUT", "/api/secrets/STRIPE_KEY", { value });
    expect(made.status).toBe(201);
    expect(made.headers.get("location")).toBe("/api/secrets/STRIPE_KEY");
    expect(await bodyOf(made)).toMatchObject({
      created: true,
      secret: { name: "STRIPE_KEY", version: 1, updatedBy: token.id, maskedUntil: null },
    });
    const replaced = await ask("PUT", "/api/secrets/STRIPE_KEY", { value: `${value}2` });
    expect(replaced.status).toBe(200);
    const body = await bodyOf<{ secret: { maskedUntil: string } }>(replaced);
    expect(body).toMatchObject({ created: false, secret: { version: 2 } });
    expect(body.secret.maskedUntil).not.toBeNull();
    expect(secrets.valueOf(token.workspaceId, "STRIPE_KEY")).toBe(`${value}2`);
    const texts = [
      JSON.stringify(body),
      await (await ask("GET", "/api/secrets")).text(),
      await (await ask("GET", "/api/secrets/STRIPE_KEY")).text(),
    ];
    for (const text of texts) {
      expect(text).toContain("STRIPE_KEY");
      expect(text).not.toContain(value);
    }
    const gone = await ask("DELETE", "/api/secrets/STRIPE_KEY");
    expect([gone.status, await gone.text()]).toEqual([204, ""]);
    for (const method of ["GET", "DELETE"]) {
      expect((await ask(method, "/api/secrets/STRIPE_KEY")).status).toBe(404);
    }
  });

  it("is the workspace's own: another one can neither see, replace nor delete it", async () => {
    const { secrets, caller } = openDoor();
    const mine = caller();
    const theirs = caller();
    await mine.ask("PUT", "/api/secrets/KEY", { value });
    expect(await bodyOf(await theirs.ask("GET", "/api/secrets"))).toEqual({ secrets: [] });
    const strange = await theirs.ask("GET", "/api/secrets/KEY");
    const absent = await theirs.ask("GET", "/api/secrets/KEX");
    expect((await strange.text()).replace("KEY", "KEX")).toBe(await absent.text());
    expect((await theirs.ask("DELETE", "/api/secrets/KEY")).status).toBe(404);
    expect((await theirs.ask("PUT", "/api/secrets/KEY", { value: `${value}3` })).status).toBe(201);
    expect(secrets.valueOf(mine.token.workspaceId, "KEY")).toBe(value);
  });

  it("is never quoted in an answer or a log line, whatever is wrong with the request (H18)", async () => {
    const { door, secrets, caller } = openDoor();
    const { ask, token } = caller();
    const short = value.slice(0, 7);
    const wrong: unknown[] = [
      { value: short },
      { value: [value] },
      { value: { value } },
      { value: `${value}\0` },
      { value: value.repeat(3_000) },
      { value, [value]: 1 },
      { [value]: "x" },
      { secret: value },
      { Value: value },
      [value],
      value,
      `{"value": "${value}`,
      `{"value": ${value}}`,
      `{"value": "${value}", "value": "${value}"}`,
      `\ufeff{"value": "${value}"}`,
    ];
    for (const body of wrong) {
      const response = await ask("PUT", "/api/secrets/KEY", body);
      expect(response.status, JSON.stringify(body)).toBe(400);
      const text = await response.text();
      expect(ErrorBody.parse(JSON.parse(text)).error.code).toBe("invalid_request");
      expect(text).not.toContain(short);
    }
    const form = await door.app.request("/api/secrets/KEY", {
      ...{ method: "PUT", body: `value=${value}` },
      headers: { ...door.token({ scopes: ["admin"] }).header, "content-type": `text/${short}` },
    });
    expect(form.status).toBe(415);
    expect(secrets.valueOf(token.workspaceId, "KEY")).toBeUndefined();
    expect(door.logged()).toContain("http.refused");
    expect(door.logged()).not.toContain(short);
  });

  it("has a name that an environment could have; another one is a mistake, and not a thing that is absent", async () => {
    const { ask } = openDoor().caller();
    for (const name of ["1KEY", "MY-KEY", "a.b", "x".repeat(129)]) {
      const response = await ask("PUT", `/api/secrets/${name}`, { value });
      expect(response.status, name).toBe(400);
      const { error } = ErrorBody.parse(await response.json());
      expect(error.details).toMatchObject({ fields: [{ path: "name" }] });
      expect((await ask("GET", `/api/secrets/${name}`)).status, name).toBe(404);
    }
  });

  it("refuses words that could not be told from ordinary text (J02)", async () => {
    const { ask } = openDoor().caller();
    for (const plain of ["password", "12345678", "aaaaaaaaaaaa"]) {
      expect((await ask("PUT", "/api/secrets/KEY", { value: plain })).status).toBe(400);
    }
  });
});

describe("the key of the vault", () => {
  it("is rotated by who has admin, and says how much was sealed anew", async () => {
    const { caller } = openDoor();
    const { ask } = caller();
    await ask("PUT", "/api/secrets/KEY", { value });
    const response = await ask("POST", "/api/rotate-key");
    expect(await bodyOf(response)).toEqual({
      report: { from: "key_1", to: "key_2", resealed: 1 },
    });
    expect((await caller(["runs", "approve"]).ask("POST", "/api/rotate-key")).status).toBe(403);
  });
});
