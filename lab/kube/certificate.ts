import { type KeyObject, createPrivateKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";

/**
 * X.509 certificates (RFC 5280) with EC P-256 keys, written as DER by hand: Node can sign but not build one, and a bare
 * machine has no openssl. Only what an API server and its clients look at: subject, names, key usage, validity.
 */
export interface Certificate {
  /** PEM, one CERTIFICATE block. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** Organizations; the API server reads them as a user's groups. */
  readonly organizations?: readonly string[];
  /** Subject alternative names: IP addresses and DNS names. */
  readonly names?: readonly string[];
  /** May sign others. A certificate without an issuer always may, for clients trust it as its own authority. */
  readonly authority?: boolean;
  /** Who signs; absent means self-signed. */
  readonly issuer?: { readonly commonName: string; readonly key: string };
}

const DAY_MILLIS = 86_400_000;

export function createCertificate(request: CertificateRequest): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuerKey: KeyObject = request.issuer ? createPrivateKey(request.issuer.key) : privateKey;
  const subject = distinguishedName(request.commonName, request.organizations ?? []);
  const now = Date.now();
  const toBeSigned = sequence(
    tagged(0xa0, integer(Buffer.from([2]))), // v3
    integer(randomBytes(16)),
    ECDSA_WITH_SHA256,
    request.issuer ? distinguishedName(request.issuer.commonName, []) : subject,
    // From yesterday, so that a clock that is slightly behind accepts it.
    sequence(utcTime(new Date(now - DAY_MILLIS)), utcTime(new Date(now + 365 * DAY_MILLIS))),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, extensions(request)),
  );
  const der = sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(sign("sha256", toBeSigned, issuerKey)));
  return {
    certificate: pem("CERTIFICATE", der),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function extensions(request: CertificateRequest): Buffer {
  const authority = request.authority ?? !request.issuer;
  const list = [
    extension("2.5.29.19", true, sequence(...(authority ? [BOOLEAN_TRUE] : []))), // basicConstraints
    // keyUsage: digitalSignature, and keyCertSign for an authority; the first octet counts the unused bits.
    extension("2.5.29.15", true, tlv(0x03, authority ? Buffer.from([2, 0x84]) : Buffer.from([7, 0x80]))),
    extension("2.5.29.37", false, sequence(objectId("1.3.6.1.5.5.7.3.1"), objectId("1.3.6.1.5.5.7.3.2"))), // server, client
  ];
  if (request.names?.length) list.push(extension("2.5.29.17", false, sequence(...request.names.map(generalName))));
  return sequence(...list);
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(objectId(id), ...(critical ? [BOOLEAN_TRUE] : []), tlv(0x04, value));
}

/** RFC 5280 §4.2.1.6: dNSName is [2] IA5String, iPAddress [7] 4 or 16 octets. */
function generalName(name: string): Buffer {
  switch (isIP(name)) {
    case 4:
      return tlv(0x87, Buffer.from(name.split(".").map(Number)));
    case 6:
      return tlv(0x87, ipv6Octets(name));
    default:
      return tlv(0x82, Buffer.from(name, "ascii"));
  }
}

function ipv6Octets(address: string): Buffer {
  // The URL parser writes the canonical hexadecimal form, embedded IPv4 included.
  const [head = "", tail = ""] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill("0"), ...right];
  return Buffer.from(groups.map((group) => group.padStart(4, "0")).join(""), "hex");
}

function distinguishedName(commonName: string, organizations: readonly string[]): Buffer {
  const attribute = (id: string, value: string) => tlv(0x31, sequence(objectId(id), tlv(0x0c, Buffer.from(value))));
  return sequence(...organizations.map((o) => attribute("2.5.4.10", o)), attribute("2.5.4.3", commonName));
}

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80
      ? [length]
      : length < 0x100
        ? [0x81, length]
        : length < 0x10000
          ? [0x82, length >> 8, length & 0xff]
          : null;
  if (!size) throw new RangeError(`DER value of ${length} octets`);
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, Buffer.concat(parts));
const tagged = (tag: number, content: Buffer): Buffer => tlv(tag, content);
const bitString = (content: Buffer): Buffer => tlv(0x03, Buffer.concat([Buffer.from([0]), content]));

/** A positive INTEGER: no superfluous leading zeros, and one zero where the top bit would make it negative. */
function integer(magnitude: Buffer): Buffer {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const trimmed = magnitude.subarray(start);
  return tlv(0x02, trimmed[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), trimmed]) : trimmed);
}

function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const octets = [first * 40 + second];
  for (const part of rest) {
    const base128 = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) base128.unshift((left & 0x7f) | 0x80);
    octets.push(...base128);
  }
  return tlv(0x06, Buffer.from(octets));
}

/** YYMMDDhhmmssZ (RFC 5280 §4.1.2.5.1: right until 2049). */
function utcTime(at: Date): Buffer {
  const digits = at.toISOString().replaceAll(/[-:T]/g, "");
  return tlv(0x17, Buffer.from(`${digits.slice(2, 14)}Z`, "ascii"));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

const BOOLEAN_TRUE = tlv(0x01, Buffer.from([0xff]));
const ECDSA_WITH_SHA256 = sequence(objectId("1.2.840.10045.4.3.2"));
