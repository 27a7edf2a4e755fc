import { describe, expect, it } from "vitest";
import { mountsMax } from "../base/mount-path.ts";
import { checkMountTargets } from "./mount-targets.ts";

describe("mount targets", () => {
  it("lie side by side below the four roots", () => {
    const targets = ["/opt/venv", "/opt/venv2", "/deps/a/b", "/tmp/node_modules", "/workspace/é"];
    expect(() => checkMountTargets(targets)).not.toThrow();
    expect(() => checkMountTargets([])).not.toThrow();
  });

  it.each([
    ...[
      "",
      "/",
      "/opt",
      "/tmp",
      "/tmp/",
      "/workspace/.",
      "opt/a",
      "./tmp/a",
      "/etc/a",
      "/optical/a",
    ],
    ...["//opt/a", "/opt//a", "/opt/a/", "/opt/./a", "/opt/../etc", "/tmp/a/../../etc", "/tmp/.."],
    ...["/tmp/a\0b", "/tmp/a\nb", "/tmp/a\u007f", "/tmp/a\u0085", "/tmp/\ud800", "/airlock/exec"],
    ...[`/tmp/${"n".repeat(256)}`, `/tmp${"/name".repeat(1000)}`, "/usr/bin", "/proc/1", "/OPT/a"],
  ])("are refused at %j, which is named", (target) => {
    const shown = JSON.stringify(target).slice(0, 100);
    expect(() => checkMountTargets(["/opt/fine", target])).toThrow(shown);
  });

  it.each([
    [["/opt/a", "/opt/a"], "/opt/a"],
    [["/opt/a/b", "/opt/a"], "/opt/a/b"],
    [["/opt/a", "/opt/a!", "/opt/a/b/c"], "/opt/a/b/c"],
  ])("are refused when one of %j is at or below another", (targets, named) => {
    expect(() => checkMountTargets(targets)).toThrow(`Cannot mount at "${named}"`);
  });

  it("are at most sixty-four", () => {
    const targets = Array.from({ length: mountsMax }, (_, index) => `/deps/${index}`);
    expect(() => checkMountTargets(targets)).not.toThrow();
    expect(() => checkMountTargets([...targets, "/deps/more"])).toThrow("65");
  });
});
