import type { Element, LengthField, Outline } from "./target.ts";

/** The outline of a good UPDATE, header included. Prefix lengths, segment counts and next hop lengths are lengths, too. */
export function outlineOfUpdate(message: Uint8Array): Outline {
  const withdrawn: LengthField = { at: 19, width: 2 };
  const withdrawnEnd = 21 + u16(message, 19);
  const list: LengthField = { at: withdrawnEnd, width: 2 };
  const end = withdrawnEnd + 2 + u16(message, withdrawnEnd);
  const lengths: LengthField[] = [HEADER, withdrawn, list];
  const flags: number[] = [];
  const elements: Element[] = [];
  prefixLengths(message, 21, withdrawnEnd, lengths);
  for (let at = withdrawnEnd + 2; at < end;) {
    const isLong = (message[at]! & 0x10) !== 0;
    const own: LengthField = { at: at + 2, width: isLong ? 2 : 1 };
    const valueFrom = at + 2 + own.width;
    const to = valueFrom + (isLong ? u16(message, at + 2) : message[at + 2]!);
    flags.push(at);
    lengths.push(own);
    elements.push({ from: at, to, own, valueFrom, enclosing: [list] });
    const code = message[at + 1]!;
    if (code === 2 || code === 17) lengths.push({ at: valueFrom + 1, width: 1 });
    if (code === 14) {
      lengths.push({ at: valueFrom + 3, width: 1 });
      prefixLengths(message, valueFrom + 5 + message[valueFrom + 3]!, to, lengths);
    }
    if (code === 15) prefixLengths(message, valueFrom + 3, to, lengths);
    at = to;
  }
  prefixLengths(message, end, message.length, lengths);
  return { lengths, flags, elements };
}

/** The first few: a long row of prefixes is all alike. */
function prefixLengths(message: Uint8Array, from: number, to: number, lengths: LengthField[]): void {
  for (let at = from, count = 0; at < to && count < 4; at += 1 + ((message[at]! + 7) >> 3), count++) {
    lengths.push({ at, width: 1 });
  }
}

/** The outline of a good OPEN, header included, in the plain form or in that of RFC 9072. */
export function outlineOfOpen(message: Uint8Array): Outline {
  const isExtended = message[29] === 0xff;
  const total: LengthField = isExtended ? { at: 30, width: 2 } : { at: 28, width: 1 };
  const lengths: LengthField[] = [HEADER, { at: 28, width: 1 }, total];
  const elements: Element[] = [];
  const flags = [19, 28, 29].filter((at) => at < message.length);
  for (let at = isExtended ? 32 : 29; at < message.length;) {
    const own: LengthField = { at: at + 1, width: isExtended ? 2 : 1 };
    const valueFrom = at + 1 + own.width;
    const to = valueFrom + (isExtended ? u16(message, at + 1) : message[at + 1]!);
    lengths.push(own);
    elements.push({ from: at, to, own, valueFrom, enclosing: [total] });
    addCapabilities(message, valueFrom, to, [own, total], { lengths, elements });
    at = to;
  }
  return { lengths, flags, elements };
}

/** The outline of capabilities without the message around them. */
export function outlineOfCapabilities(value: Uint8Array): Outline {
  const lengths: LengthField[] = [];
  const elements: Element[] = [];
  addCapabilities(value, 0, value.length, [], { lengths, elements });
  return { lengths, elements, flags: elements.map(({ from }) => from) };
}

function addCapabilities(
  bytes: Uint8Array,
  from: number,
  to: number,
  enclosing: readonly LengthField[],
  into: { readonly lengths: LengthField[]; readonly elements: Element[] },
): void {
  for (let at = from; at < to;) {
    const own: LengthField = { at: at + 1, width: 1 };
    const end = at + 2 + bytes[at + 1]!;
    into.lengths.push(own);
    into.elements.push({ from: at, to: end, own, valueFrom: at + 2, enclosing });
    at = end;
  }
}

/** A message of which only the header has structure. */
export const outlineOfHeader = (message: Uint8Array): Outline => ({
  lengths: [HEADER, ...Array.from(message.subarray(19), (_, index): LengthField => ({ at: 19 + index, width: 1 }))],
  flags: Array.from(message, (_, at) => at),
  elements: [],
});

const HEADER: LengthField = { at: 16, width: 2 };
const u16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
