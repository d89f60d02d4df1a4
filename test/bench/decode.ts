import { ip } from "../../src/addr/ip.ts";
import { parsePrefix } from "../../src/addr/prefix.ts";
import { Instant } from "../../src/base/time.ts";
import { AdjRibIn } from "../../src/bgp/rib/adj-rib-in.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import { frame, HEADER_LENGTH } from "../../src/bgp/wire/framing.ts";
import { decodeMessage } from "../../src/bgp/wire/message.ts";
import { type Bench, bestSeconds, type Measure } from "./measure.ts";
import { type Mix, MIXES, SESSION } from "./mixes.ts";

/**
 * Reads the stream as a session does, all checks of RFC 4271 and 7606 included.
 *
 * @param rib  where the routes go; null: nowhere
 * @returns the number of prefixes announced
 */
function decodeAll({ stream }: Mix, rib: AdjRibIn | null): number {
  let prefixCount = 0;
  for (let at = 0; at < stream.length;) {
    const framed = frame(stream.subarray(at));
    if (framed.kind !== "message") throw new Error("bad frame");
    const decoded = decodeMessage(framed.bytes, SESSION);
    if (decoded.kind !== "message" || decoded.message.type !== "update" || decoded.faults.length > 0) {
      throw new Error("bad message");
    }
    const { nlri, attributes } = decoded.message;
    prefixCount += nlri.length;
    if (attributes.mpReach !== undefined && "family" in attributes.mpReach) {
      prefixCount += attributes.mpReach.prefixes.length;
    }
    rib?.apply({ update: decoded.message, faults: decoded.faults }, NOW);
    at += framed.bytes.length;
  }
  return prefixCount;
}

/** With room for all of a mix, and a policy that looks at each route. */
function ribIn(): AdjRibIn {
  const accept = [
    { within: parsePrefix("10.0.0.0/8")!, lengthMax: 32 },
    { within: parsePrefix("::/0")!, lengthMax: 128 },
  ];
  return new AdjRibIn(
    { ...SESSION, localAsn: Asn.of(64_512), localAddress: ip("10.0.0.1") },
    { importPolicy: { accept, honourGracefulShutdown: true }, maxPrefixes: { count: 1_000_000, action: "drop" } },
  );
}
const NOW = Instant.of(0);

/** The least that can be done with a message: it is found by its length, and copied. */
function copyAll({ stream }: Mix): number {
  let octetCount = 0;
  for (let at = 0; at < stream.length;) {
    const length = (stream[at + 16]! << 8) | stream[at + 17]!;
    if (length < HEADER_LENGTH) throw new Error("bad frame");
    octetCount += stream.slice(at, at + length).length;
    at += length;
  }
  return octetCount;
}

export const decode: Bench = {
  name: "decode",
  about: "UPDATEs framed and decoded with all checks, by mix of messages, beside a plain copy",
  run(say) {
    const measures: Measure[] = [];
    for (const make of MIXES) {
      const mix = make();
      say(mix.name);
      if (decodeAll(mix, null) !== mix.prefixCount) throw new Error(`${mix.name}: prefixes are lost`);
      const seconds = bestSeconds(() => void decodeAll(mix, null));
      const copySeconds = bestSeconds(() => void copyAll(mix));
      const keptSeconds = bestSeconds(() => void decodeAll(mix, ribIn()));
      const { name, messageCount, prefixCount, isSmall } = mix;
      const messages = { name, value: messageCount / seconds, unit: "messages/s", ratio: copySeconds / seconds };
      const prefixes = { name: `${name}: prefixes`, value: prefixCount / seconds, unit: "prefixes/s" };
      measures.push(isSmall ? { ...messages, bound: SMALL_BOUND } : messages);
      measures.push(isSmall ? prefixes : { ...prefixes, bound: PREFIX_BOUND });
      measures.push({
        name: `${name}: prefixes, into Adj-RIB-In`,
        value: prefixCount / keptSeconds,
        unit: "prefixes/s",
      });
    }
    return { kind: "measured", measures };
  },
};

const SMALL_BOUND = { kind: "at least", value: 400_000 } as const;
const PREFIX_BOUND = { kind: "at least", value: 1_000_000 } as const;
