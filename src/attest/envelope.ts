import { createPublicKey, type KeyObject, verify } from "node:crypto";
import {
  type ArchiveStatement,
  Envelope,
  payloadType,
  ArchiveStatement as Statement,
} from "../contract/attestation.ts";
import { parseJson, rowsWeightMax } from "./parse-json.ts";
import { keyIdOf, type Signer } from "./signing-key.ts";

/** What DSSE signs: the payload with its type, both with their lengths, so that neither can be taken for the other. */
export function preAuthentication(type: string, payload: Uint8Array): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.byteLength} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

/** `attestation.json`. Ed25519 is deterministic: the same statement by the same key gives the same bytes. */
export function sealStatement(statement: ArchiveStatement, signer: Signer): Buffer {
  const payload = Buffer.from(JSON.stringify(statement));
  const sig = signer.sign(preAuthentication(payloadType, payload)).toString("base64");
  const signatures: Envelope["signatures"] = [{ keyid: signer.key.id, sig }];
  return textOf({ payload: payload.toString("base64"), payloadType, signatures });
}

/** The one way in which an envelope is written. */
function textOf({ payload, payloadType: type, signatures: [signature] }: Envelope): Buffer {
  const { keyid, sig } = signature;
  const envelope = { payloadType: type, payload, signatures: [{ keyid, sig }] };
  return Buffer.from(`${JSON.stringify(envelope, null, 2)}\n`);
}

/** An envelope that was read, and whether it is signed by the key that it names itself. */
export interface OpenedEnvelope {
  statement: ArchiveStatement;
  keyId: string;
  /** Undefined: the signature holds. */
  fault: string | undefined;
}

/** Reads an envelope. Throws an error that says what about it cannot be: it must be what `sealStatement` writes. */
export function openEnvelope(bytes: Buffer): OpenedEnvelope {
  const envelope = Envelope.safeParse(parsed(bytes));
  if (!envelope.success) throw new Error(`it is no envelope: ${issueOf(envelope.error.issues)}`);
  const payload = Buffer.from(envelope.data.payload, "base64");
  // Base 64 and JSON can be written in several ways, of which the signature covers none.
  const exact = textOf({ ...envelope.data, payload: payload.toString("base64") });
  const [{ keyid, sig }] = envelope.data.signatures;
  const signature = Buffer.from(sig, "base64");
  if (!exact.equals(bytes) || signature.toString("base64") !== sig) {
    throw new Error("it is not written as a gateway writes it");
  }
  const statement = Statement.safeParse(parsed(payload));
  if (!statement.success) {
    throw new Error(`its statement is none: ${issueOf(statement.error.issues)}`);
  }
  const { key } = statement.data.predicate;
  return {
    statement: statement.data,
    keyId: key.id,
    fault: faultOf(key, { keyid, signature, payload }),
  };
}

function faultOf(
  key: ArchiveStatement["predicate"]["key"],
  { keyid, signature, payload }: { keyid: string; signature: Buffer; payload: Buffer },
): string | undefined {
  let publicKey: KeyObject;
  try {
    const der = Buffer.from(key.public_key, "base64");
    publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
  } catch {
    return "The public key in it is none";
  }
  if (publicKey.asymmetricKeyType !== "ed25519") return "The public key in it is no Ed25519 key";
  if (keyIdOf(publicKey) !== key.id || keyid !== key.id) {
    return `The public key in it has the id ${keyIdOf(publicKey)}, it names ${key.id} and ${keyid}`;
  }
  const signed = preAuthentication(payloadType, payload);
  if (!verify(null, signed, publicKey, signature)) {
    return `Its signature is not that of ${key.id} over what it says`;
  }
  return undefined;
}

function parsed(bytes: Buffer): unknown {
  try {
    return parseJson(bytes, rowsWeightMax);
  } catch (error) {
    throw new Error(`it ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

function issueOf(issues: readonly { path: PropertyKey[]; message: string }[]): string {
  const [first] = issues;
  return first === undefined ? "?" : `${first.path.map(String).join(".")}: ${first.message}`;
}
