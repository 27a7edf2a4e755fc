import type { Explanation } from "../contract/explanation.ts";
import { decide } from "./decide.ts";
import type { Need, Power } from "./need.ts";

/** A decision with everything it rests on: for people, about a call that nobody makes. */
export function explain(need: Need, power: Power): Explanation {
  const { decision, rule, reasons, hosts, askedHosts } = decide(need, power);
  const isCode = need.type === "CodeExecution";
  const commands = isCode ? (need.command?.commands ?? []) : [];
  return {
    ...{ decision, rule, reasons },
    commands: commands.map(({ words, program, offset, via }) => ({
      text: words.flatMap(({ text }) => (text === "" ? [] : [text])).join(" "),
      ...{ program, offset, via: [...via] },
    })),
    findings: isCode ? [...need.findings] : [],
    hosts: [...hosts, ...askedHosts],
  };
}
