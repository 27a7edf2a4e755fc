import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { aptConfiguration } from "./apt-settings.ts";

const root = mkdtempSync(join(tmpdir(), "airlock-apt-"));
const etc = join(root, "etc/apt");
afterAll(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

const read = () => {
  const dpkg = join(root, "status");
  const found = aptConfiguration({ env: {}, etc, dpkg }, "/inside/apt");
  const text = (name: string) =>
    found.files.find(({ path }) => path === name)?.data.toString("utf8") ?? "";
  return { ...found, text, all: found.files.map(({ data }) => data.toString("utf8")).join("\n") };
};

describe("what apt is given", () => {
  it("names the archives of this machine and their keys, and holds no login", () => {
    write("etc/apt/sources.list", "deb https://ada:s3cret@one.test:8443/debian stable main\n");
    write(
      "etc/apt/sources.list.d/two.sources",
      `Types: deb\nURIs: http://two.test/debian\nSigned-By: ${etc}/keyrings/two.gpg\n`,
    );
    write("etc/apt/sources.list.d/off.list.save", "deb http://saved.test/ stable main\n");
    write("etc/apt/keyrings/two.gpg", "a key");
    write("etc/apt/auth.conf", "machine one.test login ada password s3cret\n");
    write("etc/apt/auth.conf.d/more", "machine two.test login ada password s3cret\n");
    write("status", "Package: sh\n");
    const { hosts, text, all, notes } = read();
    expect(hosts).toEqual(["one.test:8443", "two.test:80"]);
    expect(text("sources.list")).toBe("deb https://one.test:8443/debian stable main\n");
    expect(text("sources.list.d/two.sources")).toContain("Signed-By: /inside/apt/keyrings/two.gpg");
    expect(text("keyrings/two.gpg")).toBe("a key");
    expect(text("status")).toBe("Package: sh\n");
    expect(all).not.toMatch(/s3cret|saved\.test/);
    expect(notes.join("\n")).toContain("has a login");
  });

  it("takes the settings that say how archives are read, and neither proxies nor programs", () => {
    write(
      "etc/apt/apt.conf.d/10own",
      [
        'Acquire::Check-Valid-Until "false";',
        'Acquire::http::Proxy "http://ada:s3cret@proxy.test:3128";',
        'APT::Update::Post-Invoke { "touch /tmp/x"; };',
        'Dir::State "/var/lib/apt";',
      ].join("\n"),
    );
    const lines = read().text("apt.conf").split("\n");
    expect(lines).toContain('Acquire::Check-Valid-Until "false";');
    expect(lines).toContain('Dir::State "/tmp/apt/state";');
    expect(lines.join("\n")).not.toMatch(/s3cret|Invoke|var\/lib/);
  });

  it("is without archives where there are none", () => {
    const missing = join(root, "nothing");
    expect(aptConfiguration({ env: {}, etc: missing, dpkg: missing }, "/x").hosts).toEqual([]);
  });
});
