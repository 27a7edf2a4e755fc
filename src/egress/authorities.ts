import { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";

import type { PackageFindings, PackageSource } from "./package-findings.ts";

/** The bundle of the distribution; the first of these that is there. */
const systemBundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

const variables = [
  "SSL_CERT_FILE NODE_EXTRA_CA_CERTS REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO".split(" "),
  "CARGO_HTTP_CAINFO PIP_CERT AWS_CA_BUNDLE NIX_SSL_CERT_FILE".split(" "),
].flat();

/**
 * Every authority that this machine or one of its clients trusts, once each, in one file. Certificates only: a file that
 * also holds a private key gives none of it. A machine without any gets those that Node brings.
 */
export function readAuthorities(source: PackageSource, findings: PackageFindings): Buffer {
  const { paths, pems } = findings.authorities();
  const system = systemBundles.find((path) => source.readFile(path) !== undefined);
  const named = variables.flatMap((name) => source.env[name] || []);
  const found = new Map<string, string>();
  const add = (text: string) => {
    for (const [block] of text.matchAll(
      /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g,
    )) {
      const body = block.replace(/-----[A-Z ]+-----|\s/g, "");
      if (!found.has(body) && isCertificate(block)) found.set(body, block);
    }
  };
  for (const path of new Set([...(system === undefined ? [] : [system]), ...named, ...paths])) {
    const data = source.readFile(path);
    if (data === undefined)
      findings.note(`${path} is named for its authorities and cannot be read`);
    else add(data.toString("latin1"));
  }
  for (const pem of pems) add(pem);
  if (found.size === 0) add(rootCertificates.join("\n"));
  return Buffer.from([...found.values()].map((block) => `${block}\n`).join(""));
}

/** One broken certificate makes some clients refuse the whole file. */
function isCertificate(block: string): boolean {
  try {
    new X509Certificate(block);
    return true;
  } catch {
    return false;
  }
}
