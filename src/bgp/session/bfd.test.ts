import { describe, expect, it } from "vitest";
import type { Capability } from "../wire/capabilities.ts";
import { END_OF_RIB, openWith, RAW, rawRack, restartable, routeOf } from "./test-support.ts";

const HELPER = { gracefulRestart: { restartTimeSeconds: 120, helper: true, longLivedSecondsMax: 0 } } as const;

function established(...capabilities: readonly Capability[]) {
  const net = rawRack({ a: HELPER });
  net.a.setRoutes(new Map());
  net.up(openWith(...capabilities));
  net.send(routeOf("198.51.100.7/32"), ...END_OF_RIB);
  net.time.advance(10);
  net.clear();
  return net;
}
const kept = (net: ReturnType<typeof established>): number => net.a.received().get("b")!.size;

describe("BFD", () => {
  it("that goes down ends the session at once, with 6/10 (BFD-5882-4.2-01, BGP-9384-3-01)", () => {
    const net = established();
    net.a.setBfdState("b", "up");
    net.a.setBfdState("b", "down");
    expect(net.status().state).toBe("idle");
    net.time.advance(10);
    expect(net.said()).toEqual(["6/10"]);
    expect(kept(net)).toBe(0);
    expect(net.status()).toMatchObject({ bfd: "down", lastError: { message: "Cease: BFD Down" } });
  });

  it("that never was up is no failure, and keeps no session from coming up (BFD-5882-3.2-01)", () => {
    const net = rawRack();
    net.a.setPeers(net.peers.a);
    net.a.setBfdState("b", "down");
    net.up();
    net.a.setBfdState("b", "unknown");
    net.a.setBfdState("b", "down");
    expect(net.status().state).toBe("established");
  });

  it("that is taken down by hand, or goes away, is no failure, and nor is what follows (BFD-5882-3.2-02)", () => {
    for (const state of ["admin-down", "unknown"] as const) {
      const net = established();
      net.a.setBfdState("b", "up");
      net.a.setBfdState("b", state);
      net.a.setBfdState("b", "down");
      expect(net.status().state).toBe("established");
    }
  });

  it("of a router whose BFD shares its fate may be its restart: its routes stay (BFD-5882-4.3-01)", () => {
    const net = established(restartable(60, { notification: true }));
    net.a.setBfdState("b", "up");
    net.a.setBfdState("b", "down", { controlPlaneIndependent: false });
    net.time.advance(10);
    expect(net.said()).toEqual(["6/10"]);
    expect(kept(net)).toBe(1);
  });

  it("of a router whose BFD is independent means that it forwards nothing: its routes go (BFD-5882-4.3-01)", () => {
    const net = established(restartable(60, { notification: true }));
    net.a.setBfdState("b", "up");
    net.a.setBfdState("b", "down", { controlPlaneIndependent: true });
    net.time.advance(10);
    expect(net.said()).toEqual(["6/9 060a"]);
    expect(kept(net)).toBe(0);
  });

  it("is waited for where both sides are strict, and for no longer than 30 s (BFD-STRICT-01)", () => {
    const net = rawRack({ a: { bfdStrict: true } });
    const open = (): void => {
      net.time.runUntil(() => net.received.some(({ type }) => type === "open"));
      net.send(openWith({ kind: "bfd-strict" }));
      net.time.advance(100);
    };
    net.a.setPeers(net.peers.a);
    open();
    expect(net.received.map(({ type }) => type)).toEqual(["open"]);
    net.time.advance(30_000);
    expect(net.said()).toEqual(["6/10"]);
    net.clear();
    open();
    net.send(RAW.keepalive);
    net.time.advance(100);
    expect(net.status().state).toBe("open-confirm");
    net.a.setBfdState("b", "up");
    net.time.advance(10);
    expect(net.status().state).toBe("established");
  });

  it("is not waited for when the router is not strict (BFD-STRICT-01)", () => {
    const net = rawRack({ a: { bfdStrict: true } });
    net.up(openWith());
    expect(net.status().state).toBe("established");
  });

  it("that was up before the session was begun anew is up for the new one, and can go down", () => {
    const net = established();
    net.a.setBfdState("b", "up");
    net.a.setPeers([{ ...net.peers.a[0]!, ttl: 3 }]);
    net.clear();
    net.up();
    expect(net.status()).toMatchObject({ bfd: "up", establishedCount: 1 });
    net.a.setBfdState("b", "down");
    expect(net.status().state).toBe("idle");
  });
});
