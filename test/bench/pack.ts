import { ip, type Ipv6 } from "../../src/addr/ip.ts";
import { hostPrefix, type Prefix } from "../../src/addr/prefix.ts";
import {
  AdjRibOut,
  type LargeCommunity,
  type OutContext,
  type RouteAttributes,
} from "../../src/bgp/rib/adj-rib-out.ts";
import { DesiredRoutes } from "../../src/bgp/rib/desired-routes.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import { type Bench, bestSeconds, bestSecondsOf, type Measure } from "./measure.ts";
import { SESSION } from "./mixes.ts";

export const ROUTE_COUNT = 10_000;
const CONTEXT: OutContext = { ...SESSION, localAsn: Asn.of(64_512) };
const LARGE: readonly LargeCommunity[] = [[4_200_000_000, 1, 2]];

/** Host routes with so many different sets of attributes. */
export function table(family: 4 | 6, setCount: number): Map<Prefix, RouteAttributes> {
  const sets = Array.from({ length: setCount }, (_, at): RouteAttributes => ({
    communities: [0xfde8_0064, 0xfde9_0000 + at],
    largeCommunities: LARGE,
  }));
  const host = (at: number): string =>
    family === 4 ? `10.96.${at >> 8}.${at & 255}` : `2001:db8:96::${(at + 1).toString(16)}`;
  return new Map(Array.from({ length: ROUTE_COUNT }, (_, at) => [hostPrefix(ip(host(at))), sets[at % setCount]!]));
}

export function peer(): AdjRibOut {
  const rib = new AdjRibOut(CONTEXT);
  rib.setNextHop("ipv4-unicast", { address: ip("10.0.0.1") });
  rib.setNextHop("ipv6-unicast", { address: ip("2001:db8::1"), linkLocal: ip("fe80::1") as Ipv6 });
  return rib;
}

/** Octets of all that there is to say. */
export function drain(rib: AdjRibOut): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let message = rib.next(); message !== null; message = rib.next()) messages.push(message);
  return messages;
}

export const pack: Bench = {
  name: "pack",
  about: "10,000 host routes from a table to UPDATEs, beside a plain copy; one changed route among them",
  run(say) {
    const measures: Measure[] = [];
    for (const [family, setCount] of [
      [4, 1],
      [6, 1],
      [4, 16],
      [4, 1000],
    ] as const) {
      const name = `IPv${family} host routes, ${setCount} sets of attributes`;
      say(name);
      measures.push(...packed(name, table(family, setCount), setCount <= 16));
    }
    say("one changed route");
    measures.push(...changed());
    return { kind: "measured", measures };
  },
};

function packed(name: string, wanted: ReadonlyMap<Prefix, RouteAttributes>, isBound: boolean): Measure[] {
  const toOctets = (): Uint8Array[] => {
    const rib = peer();
    rib.setDesired(new DesiredRoutes(wanted));
    return drain(rib);
  };
  const messages = toOctets();
  const seconds = bestSeconds(() => void toOctets());
  const copySeconds = bestSeconds(() => {
    for (const message of messages) message.slice();
  });
  const ready = new DesiredRoutes(wanted);
  const another = bestSeconds(() => {
    const rib = peer();
    rib.setDesired(ready);
    drain(rib);
  });
  const time = { name, value: seconds * 1000, unit: "ms", ratio: copySeconds / seconds };
  const rate = { name: `${name}: rate`, value: ROUTE_COUNT / seconds, unit: "prefixes/s" };
  return [
    isBound ? { ...time, bound: { kind: "at most", value: 10 } } : time,
    isBound ? { ...rate, bound: { kind: "at least", value: 1_000_000 } } : rate,
    { name: `${name}: each further peer`, value: another * 1000, unit: "ms" },
  ];
}

/** One route of 10,000 changes, and four peers are told. */
function changed(): Measure[] {
  const wanted = table(4, 16);
  const [first] = wanted.keys();
  const all = bestSecondsOf(
    () => [peer(), peer(), peer(), peer()],
    (peers) => tell(peers, new DesiredRoutes(wanted)),
  );
  let med = 0;
  let before = new DesiredRoutes(wanted);
  const peers = [peer(), peer(), peer(), peer()];
  tell(peers, before);
  const one = bestSecondsOf(
    () => new Map(wanted).set(first!, { med: med++ }),
    (next) => {
      before = new DesiredRoutes(next, before);
      const count = tell(peers, before);
      if (count !== peers.length) throw new Error(`${count} messages for one changed route`);
    },
  );
  return [
    { name: "10,000 routes to 4 peers", value: all * 1000, unit: "ms" },
    { name: "one changed route of 10,000 to 4 peers", value: one * 1000, unit: "ms" },
    {
      name: "one changed route, as part of all",
      value: one / all,
      unit: "of the whole",
      bound: { kind: "at most", value: 0.25 },
    },
  ];
}

function tell(peers: readonly AdjRibOut[], routes: DesiredRoutes): number {
  let count = 0;
  for (const one of peers) {
    one.setDesired(routes);
    count += drain(one).length;
  }
  return count;
}
