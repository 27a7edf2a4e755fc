/** The SDK in a sandbox that is no script's: it is there, says that there is no input, and changes nothing for others. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DirectedRun, type Director, openDirector } from "./support/directed-run.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

describe("the SDK in a plain sandbox", () => {
  let director: Director;
  let gateway: StartedGateway;
  let run: DirectedRun;
  beforeAll(async () => {
    director = await openDirector();
    gateway = await startGateway({ env: director.env });
    run = await director.open(gateway);
  }, 180_000);
  afterAll(async () => {
    await run.end();
    await gateway.stop();
    await director.close();
  });
  const said = async (command: string) => {
    const answer = await run.call("sandbox_exec", { command });
    return `${answer.stdout}${answer.stderr}`.trim();
  };

  it("is found by Python and by both kinds of modules, and has no input", async () => {
    const python =
      "from autonoetic_sdk import load_invocation as l, init; print(l().has_runtime_input, l().input, l().meta)";
    expect(await said(`python3 -c '${python}'`)).toBe("False None {}");
    expect(await said("python3 -c 'import airlock_sdk; print(airlock_sdk.PolicyViolation)'")).toBe(
      "<class 'autonoetic_sdk.PolicyViolation'>",
    );
    const body = "console.log(loadInvocation().hasRuntimeInput, loadInvocation().input)";
    const esm = `import { loadInvocation } from "autonoetic_sdk"; ${body}`;
    const cjs = `const { loadInvocation } = require("airlock_sdk"); ${body}`;
    await said(`mkdir -p /workspace/deep && printf %s '${esm}' > /tmp/a.mjs`);
    await said("cp /tmp/a.mjs /workspace/deep/a.mjs");
    expect(await said("node /tmp/a.mjs && node /workspace/deep/a.mjs")).toBe(
      "false null\nfalse null",
    );
    expect(await said(`node -e '${cjs}'`)).toBe("false null");
  });

  it("is in nobody's way: npm and pip find what they found before", async () => {
    expect(await said("mkdir -p /tmp/empty && cd /tmp/empty && npm prefix")).toBe("/tmp/empty");
    expect(await said("cd /tmp/empty && npm init -y >/dev/null && ls")).toBe("package.json");
    expect(await said("pip list --format=freeze 2>/dev/null | grep -ci _sdk")).toBe("0");
    const target = "pip install --no-index --quiet --target /tmp/t nothing-there-at-all";
    expect(await said(`${target} 2>&1 | tail -1`)).toContain("No matching distribution");
  });

  it("stands behind what a command brings itself", async () => {
    await said(
      "mkdir -p /tmp/own/autonoetic_sdk && echo 'mine = 1' > /tmp/own/autonoetic_sdk/__init__.py",
    );
    const mine = "python3 -c 'import autonoetic_sdk; print(autonoetic_sdk.mine)'";
    expect(await said(`PYTHONPATH=/tmp/own:$PYTHONPATH ${mine}`)).toBe("1");
  });
});
