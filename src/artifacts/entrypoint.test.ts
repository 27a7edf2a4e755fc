import { expect, it } from "vitest";
import { entrypointStart } from "./entrypoint.ts";

it.each([
  ["/tmp/tool", "#!/usr/bin/env python3\n", ["/tmp/tool"]],
  ["/tmp/main.py", "#!/bin/sh\n", ["/tmp/main.py"]],
  ["/tmp/bin/tool", "\x7fELF\x02", ["/tmp/bin/tool"]],
  ["/tmp/main.py", "import sys\n", ["python3", "/tmp/main.py"]],
  ["/tmp/main.js", "", ["node", "/tmp/main.js"]],
  ["/tmp/main.mjs", "import 'x'", ["node", "/tmp/main.mjs"]],
  ["/tmp/run.sh", "echo hi", ["sh", "/tmp/run.sh"]],
])("%s with %j is started as it says", (path, head, words) => {
  expect(entrypointStart(path, Buffer.from(head, "latin1"))).toEqual({ ok: true, words });
});

it.each(["/tmp/notes.txt", "/tmp/tool", "/tmp/main.PY", "/tmp/.py"])("%s is refused", (path) => {
  const start = entrypointStart(path, Buffer.from("text"));
  expect(start).toMatchObject({ ok: false });
  expect(start.ok ? "" : start.message).toContain(path);
});
