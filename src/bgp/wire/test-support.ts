import { notificationOf } from "./faults.ts";
import { decodeMessage } from "./message.ts";
import type { PathAttributes, UpdateContext } from "./path-attributes.ts";
import type { Update } from "./update.ts";

/** Octets of hexadecimal text; blanks are for the reader. */
export const octets = (text: string): Uint8Array => {
  const digits = text.replaceAll(/\s/g, "");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
};

export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");

/** A message of this type around the body, with the right length. */
export const messageOf = (type: number, body: string): Uint8Array => {
  const inner = octets(body);
  const length = 19 + inner.length;
  return Uint8Array.of(...octets("ff".repeat(16)), length >> 8, length & 0xff, type, ...inner);
};

/** An UPDATE body out of its three fields. */
export const updateBody = (attributes: string, nlri = "", withdrawn = ""): string => {
  const field = (text: string): string => octets(text).length.toString(16).padStart(4, "0") + text;
  return field(withdrawn) + field(attributes) + nlri;
};

export const EXTERNAL: UpdateContext = {
  fourOctetAs: true,
  external: true,
  families: ["ipv4-unicast", "ipv6-unicast"],
};
export const INTERNAL: UpdateContext = { ...EXTERNAL, external: false };

const ORIGIN = "40010100";
const AS_PATH = "40020602010000fde8";
const NEXT_HOP = "4003040a000001";

/** Path attributes of which each is as it should be, on a four-octet session to another AS. */
export const GOOD_ATTRIBUTES: readonly string[] = [
  "800e36 0002 01 20 20010db800000000000000000000000a fe80000000000000000000000000000a 00 8020010db8000700000000000000000001",
  "800f14 0002 01 8020010db8000700000000000000000002",
  ORIGIN,
  AS_PATH,
  NEXT_HOP,
  "80040400000005",
  "40050400000064",
  "400600",
  "c007080000fde80a000001",
  "c00808fde80064fde80065",
  "8009040a000001",
  "800a080a0000010a000002",
  "c010080002fde800000064",
  "c011060201fa56ea01",
  "c01208fa56ea010a000001",
  `c01914${"00".repeat(20)}`,
  "c0200cfa56ea010000000100000002",
  "c023040000fde8",
  "c0fe03010203",
  `d0080100${"fde80064".repeat(64)}`,
].map((text) => text.replaceAll(" ", ""));

/** One good message of every type, several where types have forms: what mutation starts from. */
export const GOOD_MESSAGES: readonly Uint8Array[] = [
  messageOf(
    1,
    "04 5ba0 005a c000020a 26 0224 010400010001 010400020001 0200 0600 4104fa56ea01 4600 400a40780001018000020180",
  ),
  messageOf(1, "04 fc00 0009 c000020a ff ff 0009 02 0006 0104 0001 00 01"),
  messageOf(2, updateBody(GOOD_ATTRIBUTES.slice(0, -1).join(""), "20c6336407 18c63364 00", "20c6336408 0aac40")),
  messageOf(2, updateBody(ORIGIN + AS_PATH + NEXT_HOP + GOOD_ATTRIBUTES.at(-1)!, "20c6336407")),
  messageOf(2, updateBody("")),
  messageOf(2, updateBody("800f03000201")),
  messageOf(3, "06 02 0b 6e6f646520647261696e2e"),
  messageOf(4, ""),
  messageOf(5, "0002 00 01"),
];

/** What becomes of an UPDATE: "ok", "discard 6", "withdraw 1", several of them, or "reset 3/1 data". */
export function outcome(attributes: string, context = EXTERNAL, nlri = HOST_ROUTE, withdrawn = ""): string {
  const decoded = decodeMessage(messageOf(2, updateBody(attributes, nlri, withdrawn)), context);
  if (decoded.kind === "fault") {
    const { code, subcode, data } = notificationOf(decoded.fault);
    return `reset ${code}/${subcode} ${hexOf(data)}`.trim();
  }
  if (decoded.faults.length === 0) return "ok";
  return decoded.faults
    .map(({ consequence, code }) => `${consequence === "attribute-discard" ? "discard" : "withdraw"} ${code ?? "list"}`)
    .join(", ");
}

/** The UPDATE that such fields decode to. */
export function updateOf(attributes: string, context = EXTERNAL, nlri = HOST_ROUTE, withdrawn = ""): Update {
  const decoded = decodeMessage(messageOf(2, updateBody(attributes, nlri, withdrawn)), context);
  if (decoded.kind === "fault" || decoded.message.type !== "update") throw new Error("no UPDATE");
  return decoded.message;
}

export const attributesOf = (attributes: string, context = EXTERNAL): PathAttributes =>
  updateOf(attributes, context).attributes;

/** 198.51.100.7/32 as NLRI. */
const HOST_ROUTE = "20c6336407";
