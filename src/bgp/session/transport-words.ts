import { unreachable } from "../../base/unreachable.ts";
import type { StreamEnd } from "../../ports/stream.ts";
import type { PeerConfig } from "./peer-config.ts";

/** Where a stream stood when it ended: a refusal and a loss mean different things. */
export type Stage = "connecting" | "open";

/** The end of a connection in words for an operator. */
export function describeEnd(end: StreamEnd, stage: Stage, peer: PeerConfig): string {
  const who = `${peer.address} port ${peer.port}`;
  switch (end.kind) {
    case "refused":
      return `connection refused by ${who}`;
    case "timed-out":
      return stage === "connecting" ? noAnswer(peer) : `${who} stopped answering`;
    case "unreachable":
      return `no route to ${who}`;
    case "reset":
      return `connection reset by ${who}`;
    case "closed-by-peer":
      return `connection closed by ${who}`;
    case "closed-by-us":
      return `connection to ${who} closed`;
    case "failed":
      return `connection to ${who} failed: ${end.message}`;
    default:
      return unreachable(end);
  }
}

/** A wrong TCP-MD5 key looks like silence (RFC 2385), so it is named where it is one of the suspects. */
export const noAnswer = (peer: PeerConfig): string =>
  `no answer from ${peer.address} port ${peer.port}` +
  (peer.md5Password === undefined
    ? ""
    : " (a TCP MD5 password is set: a different one on the other side looks like this)");
