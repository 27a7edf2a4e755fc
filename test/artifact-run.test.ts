/** What an artifact is for the agents that make and run it: closed, named by what is in it, and the same for every tool. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { buildArtifact, captureFiles, write } from "./support/artifacts-in-runs.ts";
import type { CallAnswer, DirectedRun } from "./support/directed-run.ts";
import { identities } from "./support/escape-identities.ts";
import { openPackageHost, type PackageHost } from "./support/package-host.ts";

describe.each(identities)("an artifact in a gateway of $name", ({ uid }) => {
  let host: PackageHost;
  let run: DirectedRun;
  beforeAll(async () => {
    host = await openPackageHost({ uid });
    run = await host.open({ hosts: null });
  }, 180_000);
  afterAll(async () => {
    expect(await run.end()).toMatchObject({ status: "succeeded", cleanup_status: "succeeded" });
    await host?.close();
  });

  const exec = (named: object, entrypoint: string, args: string[] = []) =>
    run.call("artifact_exec", { ...named, entrypoint, args });

  it("has the kind of the artifact that it is made from, and none that contradicts it", async () => {
    await write(run, { "main.py": "print('main')", "requirements.txt": "x==1\n" });
    const first = await buildArtifact(run, { inputs: ["main.py"], kind: "agent_bundle" });
    const inputs = [first.artifact_id, "requirements.txt"];
    const next = await buildArtifact(run, { inputs, entrypoints: ["main.py"] });
    expect(next).toMatchObject({ kind: "agent_bundle", entrypoints: ["main.py"] });
    expect((next.files as { name: string }[]).map(({ name }) => name)).toEqual([
      ...["main.py", "requirements.txt"],
    ]);
    const ran = await exec({ artifact_ref: next.artifact_ref }, "main.py");
    expect(ran).toMatchObject({ ok: true, stdout: "main\n" });
    const wrong = await run.call("artifact_build", { inputs, kind: "dataset" });
    expect(wrong).toMatchObject({ ok: false, error_type: "validation" });
    expect(wrong.message).toContain('"dataset" contradicts');
    expect(wrong.message).toContain(first.artifact_id);
    expect(await buildArtifact(run, { inputs: ["requirements.txt"] })).toMatchObject({
      kind: "generic",
    });
  });

  it("is the same one when it is built again, with an id and a new ref both times", async () => {
    await write(run, { "same.sh": "echo same" });
    const one = await buildArtifact(run, { inputs: ["same.sh"], entrypoints: ["same.sh"] });
    const two = await buildArtifact(run, { inputs: ["same.sh"], entrypoints: ["same.sh"] });
    expect(two).toMatchObject({ artifact_id: one.artifact_id, reused: true });
    expect(one.reused).toBe(false);
    expect(two.artifact_digest).toBe(one.artifact_digest);
    expect(two.artifact_ref).toMatch(/^ar\.[0-9a-f]{24}$/);
    expect(two.artifact_ref).not.toBe(one.artifact_ref);
    await write(run, { "same.sh": "echo other" });
    const other = await buildArtifact(run, { inputs: ["same.sh"], entrypoints: ["same.sh"] });
    expect(other.artifact_id).not.toBe(one.artifact_id);
    expect(await exec({ artifact_ref: one.artifact_ref }, "same.sh")).toMatchObject({
      stdout: "same\n",
    });
  });

  it("is named by every tool in either field with either form", async () => {
    await write(run, { "named.sh": "echo named" });
    const built = await buildArtifact(run, { inputs: ["named.sh"], entrypoints: ["named.sh"] });
    const { artifact_id: id, artifact_ref: ref } = built;
    const ways = [
      { artifact_ref: ref },
      { artifact_ref: id },
      { artifact_id: ref },
      { artifact_id: id },
    ];
    for (const way of ways) {
      expect(await run.call("artifact_inspect", way)).toMatchObject({ ok: true, artifact_id: id });
      expect(await exec(way, "named.sh")).toMatchObject({ ok: true, stdout: "named\n" });
      const shell = await run.call("sandbox_exec", { ...way, command: "sh named.sh" });
      expect(shell).toMatchObject({ ok: true, stdout: "named\n" });
    }
    const resolved = await run.call("artifact_resolve_ref", { ref_id: ref });
    expect(resolved).toMatchObject({ ok: true, artifact_id: id, digest: built.digest });
    for (const input of [id, ref]) {
      expect((await buildArtifact(run, { inputs: [input] })).artifact_id).toBe(id);
    }
  });

  it("starts what its first line or its name says, with its arguments as they are", async () => {
    const says = {
      plain: '#!/bin/sh\nprintf "%s|" "$@"',
      "a.py": "import sys; print('|'.join(sys.argv[1:]), end='|')",
      "a.js": "process.stdout.write(process.argv.slice(2).join('|') + '|')",
      "a.mjs": "import p from 'node:process'; p.stdout.write(p.argv.slice(2).join('|') + '|')",
      "a.sh": 'printf "%s|" "$@"',
      "deep/er.sh": 'printf "%s|" "$@"',
      "unknown.bin": "no program",
    };
    await write(run, says);
    const names = Object.keys(says);
    const { artifact_ref } = await buildArtifact(run, { inputs: names, entrypoints: names });
    const args = ["two words", "$HOME `id` \\", "'\"", "-e", "", "line\nbreak", "é"];
    for (const name of names.filter((each) => each !== "unknown.bin")) {
      const ran = await exec({ artifact_ref }, name, args);
      expect(ran, `${name}: ${JSON.stringify(ran)}`).toMatchObject({ ok: true });
      expect(ran.stdout, name).toBe(`${args.join("|")}|`);
    }
    const unknown = await exec({ artifact_ref }, "unknown.bin");
    expect(unknown).toMatchObject({ ok: false, error_type: "validation" });
    expect(unknown.message).toMatch(/unknown\.bin.*cannot be started: expected a first line/);
    const modes = await run.call("sandbox_exec", {
      artifact_ref,
      command: "find . -type f ! -perm 555",
    });
    expect(modes).toMatchObject({ ok: true, stdout: "" });
  });

  it("starts nothing that is no entrypoint, and says which there are", async () => {
    await write(run, { "in.sh": "echo in", "out.sh": "echo out" });
    const inputs = ["in.sh", "out.sh"];
    const { artifact_ref } = await buildArtifact(run, { inputs, entrypoints: ["in.sh"] });
    const answer = await exec({ artifact_ref }, "out.sh");
    expect(answer).toMatchObject({ ok: false, error_type: "validation" });
    expect(answer.repair_hint).toContain('"in.sh"');
    for (const entrypoint of ["../bin/sh", "/bin/sh", "none.sh", "in.sh/"]) {
      const built = await run.call("artifact_build", { inputs, entrypoints: [entrypoint] });
      expect(built).toMatchObject({ ok: false, error_type: "validation" });
    }
    const modes = await run.call("sandbox_exec", { artifact_ref, command: "stat -c '%a %n' *.sh" });
    expect(modes.stdout).toBe("555 in.sh\n444 out.sh\n");
  });

  it("finds what its layers hold: PYTHONPATH, NODE_PATH, PATH, and modules for import", async () => {
    const python = await captureFiles(
      run,
      { path: "/tmp/py", mount_as: "/opt/py" },
      {
        "own_module.py": "word = 'python'",
        "own_module-1.dist-info/METADATA": "Name: own-module\nVersion: 1\n",
      },
    );
    const node = await captureFiles(
      run,
      { path: "/tmp/js", mount_as: "/tmp/node_modules" },
      {
        "own-module/package.json": '{"name":"own-module","main":"index.js"}',
        "own-module/index.js": "module.exports = 'node'",
        ".package-lock.json": "{}",
      },
    );
    const tools = await captureFiles(run, { path: "/tmp/tools" }, { "bin/own-tool": "x" });
    await write(run, {
      "see.py": "import own_module; print(own_module.word)",
      "see.js": "console.log(require('own-module'))",
      "see.mjs": "import word from 'own-module'; console.log(word)",
      "see.sh":
        'echo "$PYTHONPATH $NODE_PATH"; command -v own-tool || ls /tmp/tools/bin; cat /opt/py/own_module.py',
    });
    const entrypoints = ["see.py", "see.js", "see.mjs", "see.sh"];
    const layers = [python, node, tools];
    const { artifact_ref } = await buildArtifact(run, { inputs: entrypoints, entrypoints, layers });
    const said = async (name: string) => {
      const answer = await exec({ artifact_ref }, name);
      expect(answer, `${name}: ${JSON.stringify(answer)}`).toMatchObject({ ok: true });
      return answer.stdout;
    };
    expect(await said("see.py")).toBe("python\n");
    expect(await said("see.js")).toBe("node\n");
    expect(await said("see.mjs")).toBe("node\n");
    expect(await said("see.sh")).toBe(
      "/tmp/py:/airlock/sdk/python /tmp/js:/airlock/sdk/js\nown-tool\nword = 'python'",
    );
    const path = await run.call("sandbox_exec", { artifact_ref, command: "echo $PATH" });
    expect(String(path.stdout).split(":")[0]).toBe("/tmp/tools/bin");
  });

  it("is closed: read-only, without the run around it, and nothing stays of what it wrote", async () => {
    const layer = await captureFiles(run, { path: "/tmp/shut" }, { "l.txt": "layer" });
    await write(run, { "closed.sh": "cat closed.sh", "beside.txt": "not for it" });
    await run.call("sandbox_exec", { command: "echo x > /tmp/own; echo x > /workspace/own" });
    const { artifact_ref } = await buildArtifact(run, {
      ...{ inputs: ["closed.sh"], entrypoints: ["closed.sh"], layers: [layer] },
    });
    const inside = (command: string, more: object = {}) =>
      run.call("sandbox_exec", { artifact_ref, command, ...more });
    const seen = await inside("ls -A /tmp /workspace; id -u; pwd; ls /opt 2>/dev/null");
    expect(String(seen.stdout).replace(/^\d+$/m, "UID")).toBe(
      "/tmp:\nclosed.sh\nshut\n\n/workspace:\nUID\n/tmp\n",
    );
    const tries = [
      ...["echo x >> closed.sh", "rm -f closed.sh", "mv closed.sh y", "chmod 777 closed.sh"],
      ...["ln -f beside closed.sh", "echo x >> shut/l.txt", "touch shut/new", "rm -rf shut"],
      "mv shut s",
    ].map((tried) => `( ${tried} ) 2>/dev/null && echo "DID: ${tried}"`);
    const attempts = await inside([...tries, "cat closed.sh shut/l.txt"].join("; "));
    expect(attempts.stdout).toBe("cat closed.shlayer");
    const wrote = await inside("echo x > /tmp/left && echo x > /workspace/left && ls /tmp/left");
    expect(wrote).toMatchObject({ ok: true });
    expect((await inside("cat /tmp/left /workspace/left")).stdout).toBe("");
    const own = await run.call("sandbox_exec", {
      command: "ls /tmp/left /workspace/left; cat /tmp/own",
    });
    expect(own.stdout).toBe("x\n");
    const net = await inside(
      "tail -n +2 /proc/net/route; tail -n +2 /proc/net/tcp; compgen -e | grep -i proxy; python3 -c \"import socket; socket.create_connection(('127.0.0.1', 1))\" 2>&1 | tail -n 1",
      { network: "none" },
    );
    expect(net.stdout).toMatch(/^ConnectionRefusedError.*\n$/);
  });

  it("has no ref for another run tree or workspace, nor one that is revoked, late or unknown", async () => {
    await write(run, { "mine.sh": "echo mine" });
    const build = () => buildArtifact(run, { inputs: ["mine.sh"], entrypoints: ["mine.sh"] });
    const [mine, revoked, late] = [await build(), await build(), await build()];
    const db = new DatabaseSync(join(host.dataDir, "airlock.db"), { timeout: 5_000 });
    const past = new Date(Date.now() - 1).toISOString();
    const expire = db.prepare("UPDATE artifact_refs SET expires_at = ? WHERE ref = ?");
    expect(expire.run(past, late.artifact_ref).changes).toBe(1);
    db.close();
    await clientOf(host.gateway).artifacts.revoke(revoked.artifact_ref);
    const tokens = clientOf(host.gateway).tokens;
    const token = await tokens.create({ name: "b", scopes: ["runs"], workspace: "other" });
    const as = { url: host.gateway.url, token: token.secret };
    const [otherTree, otherSpace] = [await host.open(), await host.open({ as })];

    const answers = async (from: DirectedRun, name: string): Promise<string[]> => {
      const said: CallAnswer[] = [
        await from.call("artifact_inspect", { artifact_ref: name }),
        await from.call("artifact_exec", { artifact_ref: name, entrypoint: "mine.sh" }),
        await from.call("sandbox_exec", { artifact_id: name, command: "true" }),
        await from.call("artifact_build", { inputs: [name] }),
        ...(name.startsWith("ar.")
          ? [await from.call("artifact_resolve_ref", { ref_id: name })]
          : []),
      ];
      // What runs in between keeps the run from being ended for going round in circles.
      await from.call("sandbox_exec", { command: `: ${name}` });
      return said.map(({ duration_ms: _, ...answer }) =>
        JSON.stringify(answer).replaceAll(name, "X"),
      );
    };
    const unknown = await answers(run, `ar.${"0".repeat(24)}`);
    expect(new Set(unknown).size).toBe(1);
    expect(unknown[0]).toContain("artifact_not_found");
    for (const [from, name] of [
      [run, revoked.artifact_ref],
      [run, late.artifact_ref],
      [otherTree, mine.artifact_ref],
      [otherSpace, mine.artifact_ref],
      [otherSpace, mine.artifact_id],
      [run, `art_${"0".repeat(32)}`],
    ] as const) {
      const said = await answers(from, name);
      for (const answer of said) expect(answer).toBe(unknown[0]);
    }
    // The controls: where it belongs, it is there.
    expect(await exec({ artifact_ref: mine.artifact_ref }, "mine.sh")).toMatchObject({ ok: true });
    const byId = { artifact_ref: mine.artifact_id };
    expect(await otherTree.call("artifact_inspect", byId)).toMatchObject({ ok: true });
    await Promise.all([otherTree.end(), otherSpace.end()]);
  }, 180_000);
});
