/** An input that a decoder once did not take well, or that deserves to be tried each time. */
export interface NamedCase {
  readonly target: string;
  /** True when the decoder is right: "an UPDATE of …". */
  readonly name: string;
  readonly hex: string;
}

const MARKER = "ff".repeat(16);

/** What the attack has found is kept here: its name says what it is, not when it was found. */
export const CASES: readonly NamedCase[] = [
  {
    target: "update-two-octet-as",
    name: "an AS4_PATH of nothing but a confederation sequence, of which nothing is left",
    hex: `${MARKER}003002 0000 0014 40010100 400200 4003040a000001 c011060301 0000fde8`,
  },
  {
    target: "capabilities",
    name: "ADD-PATH whose every entry is ignored, which is then written without any",
    hex: "4504 0001 01 00",
  },
  {
    target: "open",
    name: "an OPEN of RFC 9072 whose first length octet is not 255",
    hex: `${MARKER}0025 01 04 fc00 005a c000020a 01 ff 0005 02 0002 0200`,
  },
  {
    target: "update",
    name: "an UPDATE with a prefix length of 255 at its very end",
    hex: `${MARKER}0018 02 0000 0000 ff`,
  },
  {
    target: "notification",
    name: "a hard reset that wraps a hard reset that wraps a text which is too long",
    hex: `${MARKER}001b 03 0609 0609 0602 ff61`,
  },
];
