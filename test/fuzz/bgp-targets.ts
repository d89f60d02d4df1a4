import { isDeepStrictEqual } from "node:util";
import { ATTRIBUTES, ROW_OF_CODE } from "../../src/bgp/wire/attribute-table.ts";
import { attributeName } from "../../src/bgp/wire/attribute-names.ts";
import { type Capability, decodeCapabilities, encodeCapabilities } from "../../src/bgp/wire/capabilities.ts";
import { describeFault, notificationOf } from "../../src/bgp/wire/faults.ts";
import { EXTENDED_LENGTH_MAX, frame, MESSAGE_LENGTH_MAX } from "../../src/bgp/wire/framing.ts";
import { type Decoded, decodeMessage, encodeMessage } from "../../src/bgp/wire/message.ts";
import { describeNotification, shutdownText } from "../../src/bgp/wire/notification.ts";
import type { UpdateContext, WritableAttributes } from "../../src/bgp/wire/path-attributes.ts";
import {
  EXTERNAL,
  GOOD_ATTRIBUTES,
  GOOD_MESSAGES,
  INTERNAL,
  messageOf,
  octets,
  updateBody,
} from "../../src/bgp/wire/test-support.ts";
import { outlineOfCapabilities, outlineOfHeader, outlineOfOpen, outlineOfUpdate } from "./bgp-outlines.ts";
import type { FuzzTarget } from "./target.ts";

const OPEN_TYPE = 1;
const UPDATE_TYPE = 2;
const ofType = (type: number): Uint8Array[] => GOOD_MESSAGES.filter((message) => message[18] === type);

/** The header's length; a message that is too short for it stays as it is. */
function repairLength(message: Uint8Array): void {
  if (message.length < 19) return;
  message[16] = message.length >> 8;
  message[17] = message.length & 0xff;
}

/** Framing first, as on a session: what it does not let through is its own target's. */
function decodeFramed(input: Uint8Array, context: UpdateContext): Decoded | null {
  const framed = frame(input, context.receiveMaxLength);
  return framed.kind === "message" ? decodeMessage(framed.bytes, context) : null;
}

/** A fault can be told to the peer and to the operator; a value that is written again reads as the same value. */
function judge(input: Uint8Array, context: UpdateContext): void {
  const decoded = decodeFramed(input, context);
  if (decoded === null) return;
  if (decoded.kind === "fault") {
    const wire = encodeMessage(notificationOf(decoded.fault), context);
    if (wire.length > MESSAGE_LENGTH_MAX) throw new Error(`NOTIFICATION of ${wire.length} octets`);
    noControls(describeFault(decoded.fault));
    return;
  }
  for (const { fault } of decoded.faults) noControls(describeFault(fault));
  const { message } = decoded;
  if (message.type === "notification") noControls(describeNotification(message) + (shutdownText(message) ?? ""));
  const { mpReach, mpUnreach } = message.type === "update" ? message.attributes : {};
  if ([mpReach, mpUnreach].some((one) => one !== undefined && !("family" in one))) return;
  const again = decodeMessage(encodeMessage(message, context), context);
  if (again.kind !== "message" || !isDeepStrictEqual(again.message, message)) {
    throw new Error(`written and read again: ${show(again)} in place of ${show(message)}`);
  }
}

function noControls(text: string): void {
  if (/\p{Cc}/u.test(text)) throw new Error(`a control character in ${JSON.stringify(text)}`);
}

const show = (value: unknown): string =>
  JSON.stringify(value, (_key, one: unknown) => (typeof one === "bigint" ? `${one}` : one));

function messageTarget(
  name: string,
  type: number,
  context: UpdateContext,
  outline: NonNullable<FuzzTarget["outline"]> = outlineOfHeader,
  seeds: readonly Uint8Array[] = ofType(type),
): FuzzTarget {
  return {
    name,
    seeds,
    outline,
    repair: repairLength,
    decode: (input) => decodeFramed(input, context),
    law: (input) => judge(input, context),
  };
}

const TWO_OCTET: UpdateContext = { ...EXTERNAL, fourOctetAs: false };
const WIDE: UpdateContext = {
  ...EXTERNAL,
  addPathReceive: ["ipv4-unicast", "ipv6-unicast"],
  extendedNextHop: true,
  enhancedRouteRefresh: true,
  maxLength: EXTENDED_LENGTH_MAX,
  receiveMaxLength: EXTENDED_LENGTH_MAX,
};
/** Good ones where path identifiers and IPv6 next hops were agreed. */
const WIDE_UPDATES: readonly Uint8Array[] = [
  "40010100 40020602010000fde8 4003040a000001",
  "800e1e 0001 01 10 20010db800000000000000000000000a 00 00000001 20c6336407 40010100 40020602010000fde8",
  "800e2a 0002 01 10 20010db800000000000000000000000a 00 00000001 8020010db8000700000000000000000001 40010100 400200",
  "800f0a 0002 01 00000002 1020 01 c00804ffff0000",
].map((attributes) => messageOf(UPDATE_TYPE, updateBody(attributes, "00000001 20c6336407", "00000002 18c63364")));
const NO_FAMILIES: UpdateContext = { ...INTERNAL, families: [] };

const framing: FuzzTarget = {
  name: "framing",
  seeds: GOOD_MESSAGES.map((message) => message.subarray(0, 64)),
  outline: outlineOfHeader,
  decode(input) {
    frame(input, EXTENDED_LENGTH_MAX);
    const framed = frame(input);
    if (framed.kind === "message" && (framed.bytes.length < 19 || framed.bytes.length > input.length)) {
      throw new Error(`a message of ${framed.bytes.length} octets out of ${input.length}`);
    }
    return framed;
  },
};

const capabilities: FuzzTarget = {
  name: "capabilities",
  seeds: [
    octets("010400010001 010400020001 0200 0506000100010002 0600 090103 400a40780001018000020180 4104fa56ea01"),
    octets(
      "450400010103 4600 470e00010180000e1000020180ffffff 4907 036e6f6402 6c 61 4a00 4b06 0562697264 32 4d00 fe03010203",
    ),
  ],
  outline: outlineOfCapabilities,
  decode: (input) => decodeCapabilities(input, 0, input.length, []),
  law(input) {
    const found: Capability[] = [];
    if (decodeCapabilities(input, 0, input.length, found) !== null) return;
    const again: Capability[] = [];
    const written = encodeCapabilities(found);
    decodeCapabilities(written, 0, written.length, again);
    if (!isDeepStrictEqual(again, found)) throw new Error(`written and read again: ${show(again)}, was ${show(found)}`);
  },
};

/** The value of each attribute that has a row, without the list around it. */
const attributeValues: readonly FuzzTarget[] = ATTRIBUTES.map((row) => {
  const seeds = GOOD_ATTRIBUTES.map(octets)
    .filter((attribute) => attribute[1] === row.code)
    .map((attribute) => attribute.subarray((attribute[0]! & 0x10) === 0 ? 3 : 4))
    .filter((value) => value.length <= 64);
  const read = (input: Uint8Array, context: UpdateContext): WritableAttributes => {
    const into: WritableAttributes = {};
    ROW_OF_CODE[row.code]!.read(input, 0, input.length, context, into);
    return into;
  };
  return {
    name: `attribute-${attributeName(row.code).toLowerCase().replaceAll(/[ _]/g, "-")}`,
    seeds,
    decode: (input) => [read(input, EXTERNAL), read(input, WIDE), read(input, TWO_OCTET)],
  };
});

export const BGP_TARGETS: readonly FuzzTarget[] = [
  framing,
  messageTarget("keepalive", 4, EXTERNAL),
  messageTarget("open", OPEN_TYPE, EXTERNAL, outlineOfOpen),
  capabilities,
  messageTarget("update", UPDATE_TYPE, EXTERNAL, outlineOfUpdate),
  messageTarget("update-internal", UPDATE_TYPE, INTERNAL, outlineOfUpdate),
  messageTarget("update-two-octet-as", UPDATE_TYPE, TWO_OCTET, outlineOfUpdate),
  messageTarget("update-add-path", UPDATE_TYPE, WIDE, outlineOfUpdate, [...WIDE_UPDATES, ...ofType(UPDATE_TYPE)]),
  messageTarget("update-no-families", UPDATE_TYPE, NO_FAMILIES, outlineOfUpdate),
  messageTarget("notification", 3, EXTERNAL),
  messageTarget("route-refresh", 5, EXTERNAL),
  messageTarget("route-refresh-enhanced", 5, WIDE),
  ...attributeValues,
];
