import { describe, expect, it } from "vitest";
import { ConfigError, readConfig } from "./config.ts";

describe("readConfig()", () => {
  it("needs no setting at all", () => {
    const config = readConfig({});
    expect(config).toMatchObject({ host: "127.0.0.1", port: 7475, logLevel: "info" });
    expect(config.dataDir).toMatch(/airlock$/);
  });

  it("lets the command line win over the environment", () => {
    const env = { AIRLOCK_PORT: "1", AIRLOCK_DATA_DIR: "/env" };
    expect(readConfig(env, { port: 2, dataDir: "/flag" })).toMatchObject({
      port: 2,
      dataDir: "/flag",
    });
    expect(readConfig(env)).toMatchObject({ port: 1, dataDir: "/env" });
  });

  it("takes the vault's key from a file, and from no variable", () => {
    const env = { AIRLOCK_VAULT_KEY_FILE: "/run/a", AIRLOCK_VAULT_KEY_FORMER_FILE: "/run/b" };
    expect(readConfig(env).vaultKeys).toEqual({ keyFile: "/run/a", formerKeyFile: "/run/b" });
    const key = "ab".repeat(32);
    const { packageEnvironment, ...config } = readConfig({ AIRLOCK_VAULT_KEY: key });
    expect(JSON.stringify(config)).not.toContain(key);
    expect(config.vaultKeys.keyFile).toBeUndefined();
  });

  it("takes the key that signs archives from a file, and makes its own without one", () => {
    const { attestationKeyFile } = readConfig({ AIRLOCK_ATTESTATION_KEY_FILE: "/run/c" });
    expect(attestationKeyFile).toBe("/run/c");
    expect(readConfig({}).attestationKeyFile).toBeUndefined();
  });

  it("takes each provider's key and address from its usual variables", () => {
    const { models } = readConfig({
      ANTHROPIC_API_KEY: "a",
      ANTHROPIC_BASE_URL: "http://127.0.0.1:1",
      GEMINI_API_KEY: "g",
      OPENAI_API_KEY: "",
    });
    expect(models.anthropic).toEqual({ apiKey: "a", baseUrl: "http://127.0.0.1:1" });
    expect(models.google).toEqual({ apiKey: "g" });
    expect(models.openai).toEqual({});
  });

  it.each([
    [{ AIRLOCK_PORT: "99999" }, "AIRLOCK_PORT"],
    [{ AIRLOCK_PORT: "http" }, "AIRLOCK_PORT"],
    [{ AIRLOCK_MAX_RUNS: "0" }, "AIRLOCK_MAX_RUNS"],
    [{ AIRLOCK_MAX_RUNS: "-3" }, "AIRLOCK_MAX_RUNS"],
    [{ AIRLOCK_LOG_LEVEL: "loud" }, "AIRLOCK_LOG_LEVEL"],
    [{ AIRLOCK_UID_RANGE: "5" }, "AIRLOCK_UID_RANGE"],
    [{ AIRLOCK_UID_RANGE: "0-10" }, "AIRLOCK_UID_RANGE"],
    [{ AIRLOCK_UID_RANGE: "9000-8000" }, "AIRLOCK_UID_RANGE"],
  ])("names the variable and its value: %j", (env, name) => {
    const value = Object.values(env)[0] as string;
    expect(() => readConfig(env)).toThrow(ConfigError);
    expect(() => readConfig(env)).toThrow(name);
    expect(() => readConfig(env)).toThrow(value);
  });
});
