import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Prefix } from "../../addr/prefix.ts";
import { decodeMessage, encodeMessage } from "../wire/message.ts";
import type { OutContext, OwnNextHop, RouteAttributes } from "./adj-rib-out.ts";
import { DesiredRoutes } from "./desired-routes.ts";
import { A, A6, B, C, hosts, lines, messagesOf, octetsOf, OUTSIDE, prefix, ribOf, routes, V6 } from "./test-support.ts";

const MARKED = { ...OUTSIDE, enhancedRouteRefresh: true };

describe("a resend", () => {
  it("stands between BoRR and EoRR for a peer that knows them, complete although nothing changed (BGP-7313-4-01, BGP-2918-4-02)", () => {
    const rib = ribOf(MARKED);
    rib.setDesired(routes(A, B, A6));
    messagesOf(rib, MARKED);
    rib.refresh("ipv4-unicast");
    expect(rib.isDone).toBe(false);
    expect(lines(messagesOf(rib, MARKED))).toEqual(["refresh 1/1", `+${A} +${B}`, "refresh 1/2"]);
    expect(rib.isDone).toBe(true);
  });

  it("is marked even of nothing, and withdraws what goes meanwhile (BGP-7313-4-01)", () => {
    const rib = ribOf(MARKED);
    rib.setDesired(routes(A6));
    messagesOf(rib, MARKED);
    rib.refresh("ipv4-unicast");
    expect(lines(messagesOf(rib, MARKED))).toEqual(["refresh 1/1", "refresh 1/2"]);
    rib.refresh("ipv6-unicast");
    expect(lines([messagesOf(rib, MARKED)[0]!])).toEqual(["refresh 2/1"]);
    rib.refresh("ipv6-unicast");
    rib.next();
    rib.setDesired(routes());
    expect(lines(messagesOf(rib, MARKED))).toEqual([`-${A6}`, "refresh 2/2"]);
  });

  it("does not begin before the End-of-RIB (BGP-7313-4-01)", () => {
    const rib = ribOf(MARKED);
    rib.refresh("ipv4-unicast");
    rib.setDesired(routes(A));
    expect(lines(messagesOf(rib, MARKED))).toEqual([
      `+${A}`,
      "end",
      "refresh 1/1",
      "end ipv6-unicast",
      `+${A}`,
      "refresh 1/2",
    ]);
  });

  it("is made once for a burst of requests, and once more for those that came during it (BGP-2918-4-02, BGP-2918-4-03)", () => {
    const rib = ribOf(MARKED);
    rib.setDesired(routes(A));
    messagesOf(rib, MARKED);
    for (let i = 0; i < 100; i++) rib.refresh("ipv4-unicast");
    expect(lines([rib.next()!].map(decoded))).toEqual(["refresh 1/1"]);
    for (let i = 0; i < 100; i++) rib.refresh("ipv4-unicast");
    const rest = lines(messagesOf(rib, MARKED));
    expect(rest).toEqual([`+${A}`, "refresh 1/2", "refresh 1/1", `+${A}`, "refresh 1/2"]);
  });

  it("ends although routes keep changing", () => {
    const rib = ribOf(MARKED);
    const all = hosts(3000);
    rib.setDesired(routes(...all));
    messagesOf(rib, MARKED);
    rib.refresh("ipv4-unicast");
    const said: string[] = [];
    for (let round = 0; round < 20; round++) {
      rib.setDesired(routes(...all, [A, { med: round }]));
      said.push(...lines([rib.next()!].map(decoded)));
    }
    expect(said).toContain("refresh 1/2");
  });
});

const decoded = (octets: Uint8Array) => {
  const one = decodeMessage(octets, MARKED);
  if (one.kind !== "message") throw new Error("bad message");
  return one.message;
};

describe("Adj-RIB-Out under any changes", () => {
  const PREFIXES: readonly Prefix[] = [A, B, C, A6, ...["10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"].map(prefix)];
  const SETS: readonly RouteAttributes[] = [
    {},
    { med: 1 },
    { communities: [3, 1, 2], largeCommunities: [[1, 2, 3]], extendedCommunities: [0x0002_fde8_0000_0064n] },
    { communities: Array.from({ length: 1200 }, (_, at) => at) },
    { communities: [0xffff_029a] },
  ];
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("desire" as const),
      picks: fc.uniqueArray(fc.tuple(fc.nat(PREFIXES.length - 1), fc.nat(SETS.length - 1)), { selector: ([at]) => at }),
    }),
    fc.record({ kind: fc.constant("next" as const), count: fc.nat(3) }),
    fc.record({ kind: fc.constant("refresh" as const), six: fc.boolean() }),
    fc.record({ kind: fc.constant("drain" as const), draining: fc.boolean() }),
    fc.record({ kind: fc.constant("hop" as const), present: fc.boolean() }),
  );

  it("the peer ends up with what is desired, is never told off what it does not have, and every message is encoded alike again (BGP-SEND-03, BGP-SEND-07, BGP-7606-5.1-02)", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.boolean(), (steps, enhancedRouteRefresh) => {
        const context = { ...OUTSIDE, enhancedRouteRefresh };
        const rib = ribOf(context);
        const peer = new Peer(context);
        let table: DesiredRoutes | null = null;
        let hop: OwnNextHop | null = V6;
        let draining = false;
        for (const one of steps) {
          if (one.kind === "desire") {
            const wanted = new Map(one.picks.map(([at, set]) => [PREFIXES[at]!, SETS[set]!] as const));
            rib.setDesired((table = new DesiredRoutes(wanted, table)));
          } else if (one.kind === "next") {
            for (let i = 0; i < one.count; i++) peer.hear(rib.next());
          } else if (one.kind === "refresh") rib.refresh(one.six ? "ipv6-unicast" : "ipv4-unicast");
          else if (one.kind === "drain") rib.setDraining((draining = one.draining));
          else rib.setNextHop("ipv6-unicast", (hop = one.present ? V6 : null));
        }
        for (const message of octetsOf(rib)) peer.hear(message);
        expect(rib.count("ipv4-unicast") + rib.count("ipv6-unicast")).toBe(peer.routes.size);
        expect(rib.isDone).toBe(table !== null);

        // A peer that is told only how it ended knows the same.
        const fresh = ribOf(context);
        fresh.setNextHop("ipv6-unicast", hop);
        fresh.setDraining(draining);
        if (table !== null) fresh.setDesired(table);
        const late = new Peer(context);
        for (const message of octetsOf(fresh)) late.hear(message);
        expect(late.routes).toEqual(peer.routes);
      }),
      { numRuns: 300 },
    );
  });
});

/** What a peer knows; it protests against what no speaker should send. */
class Peer {
  readonly routes = new Map<Prefix, string>();
  readonly #context: OutContext;
  constructor(context: OutContext) {
    this.#context = context;
  }

  hear(octets: Uint8Array | null): void {
    if (octets === null) return;
    const decoded = decodeMessage(octets, this.#context);
    if (decoded.kind !== "message" || decoded.faults.length > 0) throw new Error("bad message");
    expect(encodeMessage(decoded.message, this.#context)).toEqual(octets);
    if (decoded.message.type !== "update") return;
    const { nlri, withdrawn, attributes } = decoded.message;
    const { mpReach, mpUnreach, ...rest } = attributes;
    const come = mpReach && "family" in mpReach ? mpReach.prefixes : [];
    const gone = mpUnreach && "family" in mpUnreach ? mpUnreach.prefixes : [];
    expect([nlri, withdrawn, come, gone].filter((list) => list.length > 0).length).toBeLessThanOrEqual(1);
    for (const one of [...withdrawn, ...gone]) expect(this.routes.delete(one)).toBe(true);
    const text = JSON.stringify(rest, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
    for (const one of [...nlri, ...come]) this.routes.set(one, text);
  }
}
