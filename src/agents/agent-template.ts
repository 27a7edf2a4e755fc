import { readFileSync } from "node:fs";
import type { ScriptLanguage } from "../contract/manifest.ts";
import { skillName } from "./manifest-notes.ts";

/** A file of a new agent. */
export interface TemplateFile {
  path: string;
  text: string;
  executable: boolean;
}

interface Wanted {
  id: string;
  /** Absent: an agent that reasons. */
  script?: ScriptLanguage | undefined;
}

/** The files of a new agent, which do something and can be installed as they are. */
export function agentTemplate({ id, script }: Wanted): TemplateFile[] {
  if (script === undefined) return [{ path: "SKILL.md", text: reasoning(id), executable: false }];
  const path = scripts[script];
  const text = readFileSync(new URL(`./templates/${path}`, import.meta.url), "utf8");
  return [
    { path: "SKILL.md", text: scripted(id, path), executable: false },
    { path, text, executable: true },
  ];
}

function reasoning(id: string): string {
  return `---
name: ${skillName(id)}
description: Answers questions about the files that it is given.
metadata:
  airlock:
    version: "1.0"
    agent:
      id: ${id}
    llm_config:
      provider: anthropic
      model: claude-sonnet-4-5
      temperature: 0.1
    capabilities:
      - type: ReadAccess
        scopes: ["self.*"]
      - type: WriteAccess
        scopes: ["self.*"]
      - type: CodeExecution
        patterns: ["python3 "]
---

# What you do

Say in one sentence what is asked of you, do it, and answer with the result.

- Write files with \`content_write\`; they lie in \`/tmp\` when a command runs.
- Run and check what you wrote with \`sandbox_exec\` before you answer. There is no network.
- When something that decides the result is missing, ask for it with \`user_ask\`; do not guess.
`;
}

function scripted(id: string, entry: string): string {
  return `---
name: ${skillName(id)}
description: Counts the words of a text.
metadata:
  airlock:
    version: "1.0"
    agent:
      id: ${id}
    execution_mode: script
    script_entry: ${entry}
    capabilities: []
    io:
      accepts:
        type: object
        required: [text]
        properties:
          text: {type: string}
---

Gives the number of words of \`text\`. It is a program: no model reads this.
`;
}

/** Files of their own beside this one, in `dist/` as well. */
const scripts: Record<ScriptLanguage, string> = {
  python: "main.py",
  javascript: "main.mjs",
  bash: "main.sh",
};
