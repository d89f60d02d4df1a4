/** Why a received packet went no further. Each is counted under its name; the packet is answered by nothing. */
export const DISCARDS = {
  version: "RFC 5880 §6.8.6: the version is not 1",
  length: "RFC 5880 §6.8.6: the Length field is too small, or larger than the datagram",
  multiplier: "RFC 5880 §6.8.6: Detect Mult is 0",
  multipoint: "RFC 5880 §6.8.6: the Multipoint bit is set",
  "my-discriminator": "RFC 5880 §6.8.6: My Discriminator is 0",
  "your-discriminator": "RFC 5880 §6.8.6: Your Discriminator is 0 in Init or Up",
  "poll-and-final": "RFC 5880 §6.5: Poll and Final are both set",
  "no-session": "RFC 5880 §6.8.6: no session has this discriminator, or these addresses",
  source: "RFC 5881 §3, RFC 5883 §4: the session's discriminator, but not its addresses or interface",
  ttl: "RFC 5881 §5: the TTL is not 255; RFC 5883 §5: it is below the configured minimum",
  "auth-missing": "RFC 5880 §6.8.6: not authenticated, although the session is",
  "auth-unexpected": "RFC 5880 §6.8.6: authenticated, although the session is not",
  "auth-type": "RFC 5880 §6.7: another authentication type than the session's",
  "auth-length": "RFC 5880 §6.7: the authentication section has the wrong length",
  "auth-key": "RFC 5880 §6.7: unknown key id",
  "auth-sequence": "RFC 5880 §6.7: the sequence number is outside of the window",
  "auth-digest": "RFC 5880 §6.7: the digest or password does not match",
} as const;

export type DiscardReason = keyof typeof DISCARDS;
