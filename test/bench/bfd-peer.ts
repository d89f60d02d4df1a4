/**
 * The router of the `bfd` bench, in a process and a network namespace of its own: one BFD session over IPv4, spoken as
 * simply as RFC 5880 allows, and the times at which packets arrive. Tells `up` when it is; answers any message with
 * its `Watched`, and is gone.
 *
 * Arguments: own address, peer's address, interval in milliseconds, multiplier.
 */
import dgram from "node:dgram";
import { type BfdState, decodeControlPacket, encodeControlPacket } from "../../src/bfd/wire/control-packet.ts";

const BFD_PORT = 3784;
const SOURCE_PORT = 49_200;

export interface Watched {
  /** Milliseconds between one packet and the next, while the session was up. */
  readonly gaps: readonly number[];
  /** Gaps for which the session would be given up. */
  readonly lossCount: number;
}

const [own = "", peer = ""] = process.argv.slice(2, 4);
const [intervalMillis = 0, multiplier = 0] = process.argv.slice(4).map(Number);

const gaps: number[] = [];
let lossCount = 0;
let state: BfdState = "down";
let yourDiscriminator = 0;
let heardAt: number | null = null;

const receiver = dgram.createSocket("udp4");
const sender = dgram.createSocket("udp4");

function send(final: boolean): void {
  const packet = {
    state,
    diagnostic: 0,
    poll: false,
    final,
    controlPlaneIndependent: false,
    demand: false,
    multiplier,
    myDiscriminator: 77,
    yourDiscriminator,
    desiredMinTxMicros: intervalMillis * 1000,
    requiredMinRxMicros: intervalMillis * 1000,
    requiredMinEchoRxMicros: 0,
  };
  sender.send(encodeControlPacket(packet, 0), BFD_PORT, peer);
}

/** RFC 5880 §6.8.6, as far as two speakers of good will need it. */
function next(remote: BfdState): BfdState {
  if (state === "down") return remote === "down" ? "init" : remote === "init" ? "up" : "down";
  if (state === "init") return remote === "init" || remote === "up" ? "up" : "init";
  return remote === "down" ? "down" : state;
}

receiver.on("message", (octets) => {
  const decoded = decodeControlPacket(octets);
  if (decoded.kind !== "packet") return;
  const { packet } = decoded;
  const now = performance.now();
  const before = state;
  yourDiscriminator = packet.myDiscriminator;
  state = next(packet.state);
  if (before === "up" && heardAt !== null && !packet.final) {
    gaps.push(now - heardAt);
    if (now - heardAt > intervalMillis * multiplier) lossCount++;
  }
  if (!packet.final) heardAt = now;
  if (before !== "up" && state === "up") process.send?.("up");
  if (packet.poll || state !== before) send(packet.poll);
});
receiver.bind(BFD_PORT, own);
sender.bind(SOURCE_PORT, own, () => sender.setTTL(255));
// A tenth less than asked for, as §6.8.7 has it on average.
setInterval(() => send(false), intervalMillis * 0.9);
process.on("message", () => {
  process.send?.({ gaps, lossCount } satisfies Watched, () => process.exit(0));
});
process.on("disconnect", () => process.exit(0));
