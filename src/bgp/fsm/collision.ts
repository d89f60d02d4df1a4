import { compareIp, type Ipv4 } from "../../addr/ip.ts";
import type { Asn } from "../wire/asn.ts";

/** The two connections that a peering can have: the one that we dialled and the one that the peer did. */
export type Slot = "outgoing" | "incoming";

interface Speaker {
  readonly identifier: Ipv4;
  readonly asn: Asn;
}

/**
 * Which of two colliding connections stays: the one opened by the side with the higher identifier, and where these are
 * equal, by the side with the larger AS number (RFC 4271 §6.8, RFC 6286 §2.3). Both sides come to the same answer.
 */
export function survivor(local: Speaker, remote: Speaker): Slot {
  const order = compareIp(local.identifier, remote.identifier) || local.asn - remote.asn;
  return order > 0 ? "outgoing" : "incoming";
}
