/** RFC 9003 allows 255 octets; peers that only know RFC 8203 take 128. */
const SHUTDOWN_TEXT_LENGTH_MAX = 128;

/** Length octet and UTF-8 text, cut between characters where it is too long; nothing at all for an empty text. */
export function encodeShutdownText(text: string): Uint8Array {
  const room = new Uint8Array(SHUTDOWN_TEXT_LENGTH_MAX);
  const { written } = new TextEncoder().encodeInto(text, room);
  return written === 0 ? new Uint8Array(0) : Uint8Array.of(written, ...room.subarray(0, written));
}

/** The text of RFC 9003, fit to be shown; a field that lies about its length is shown in hexadecimal. */
export function decodeShutdownText(data: Uint8Array): string {
  const length = data[0] ?? 0;
  return length > data.length - 1 ? malformed(data) : shownText(data.subarray(1, 1 + length));
}

/**
 * Text that a peer wrote, fit to be shown: control characters, separators and bidirectional marks are escaped, since
 * they could move a terminal's cursor or forge a line. What is no UTF-8 is shown in hexadecimal.
 */
export function shownText(octets: Uint8Array): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
    return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
  } catch {
    return malformed(octets);
  }
}

const malformed = (octets: Uint8Array): string => `malformed text 0x${hexText(octets)}`;

const hexText = (octets: Uint8Array): string =>
  Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
