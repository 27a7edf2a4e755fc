/** A certificate authority of a test's own, as a company has one that no distribution knows. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";

export interface TestAuthority {
  /** Path of its certificate. */
  certificate: string;
  /** Key and certificate of a server with these names and addresses. */
  issue(...names: string[]): { key: Buffer; cert: Buffer };
  /** One that nobody signed but itself. */
  selfSigned(name: string): { key: Buffer; cert: Buffer };
  /** One that was good until yesterday. */
  issueExpired(...names: string[]): { key: Buffer; cert: Buffer };
}

export function openTestAuthority(directory: string): TestAuthority {
  const at = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
    "-days",
    "2",
    "-subj",
    "/CN=Test",
  );
  const issueFor = (days: number, names: string[]) => {
    const [first = ""] = names;
    const subject = ["-subj", `/CN=${first}`];
    openssl("req", ...key, "-keyout", at("server.key"), "-out", at("server.csr"), ...subject);
    writeFileSync(
      at("server.ext"),
      `subjectAltName=${names.map((each) => `${isIP(each) ? "IP" : "DNS"}:${each}`)}\n`,
    );
    const signing = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial"];
    const ext = ["-extfile", at("server.ext"), "-days", `${days}`];
    openssl("x509", "-req", "-in", at("server.csr"), ...signing, "-out", at("server.pem"), ...ext);
    return { key: readFileSync(at("server.key")), cert: readFileSync(at("server.pem")) };
  };
  return {
    certificate: at("ca.pem"),
    issue: (...names) => issueFor(2, names),
    selfSigned(name) {
      const files = ["-keyout", at("self.key"), "-out", at("self.pem"), "-days", "2"];
      const names = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
      openssl("req", "-x509", ...key, ...files, ...names);
      return { key: readFileSync(at("self.key")), cert: readFileSync(at("self.pem")) };
    },
    issueExpired: (...names) => issueFor(-1, names),
  };
}
