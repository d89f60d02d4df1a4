import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Namespaces } from "../../../test/support/namespaces.ts";
import { needsRoot } from "../../../test/support/privileges.ts";
import { until } from "../../../test/support/until.ts";
import { ip, type Ipv6 } from "../../addr/ip.ts";
import { macFromBytes } from "../../addr/mac.ts";
import { RouterDiscovery, type RouterLink } from "../../l2/session/router-discovery.ts";
import { decodeRouterMessage, encodeRouterAdvertisement } from "../../l2/wire/router-advertisement.ts";
import { routerSegments } from "./router-segment.ts";
import { systemClock, systemEntropy } from "./system-clock.ts";

const log = pino({ level: "silent" });

describe.runIf(!needsRoot)("router discovery on a real link", () => {
  let lan: Namespaces;
  const linkOf = (name: string): RouterLink => {
    const [text, addresses] = [lan.ip(name, "link show e0"), lan.ip(name, "addr show e0")];
    return {
      interfaceIndex: Number(/^(\d+):/.exec(text)![1]),
      mac: macFromBytes(
        Uint8Array.from(/ether ([0-9a-f:]+)/.exec(text)![1]!.split(":"), (octet) => Number.parseInt(octet, 16)),
      ),
      linkLocal: ip(/fe80:[0-9a-f:]+/.exec(addresses)![0]) as Ipv6,
    };
  };
  const discover = (name: string): RouterDiscovery =>
    new RouterDiscovery(
      {
        clock: systemClock,
        entropy: systemEntropy,
        log,
        segments: { open: (index, onFrame) => lan.in(name, () => routerSegments.open(index, onFrame)) },
      },
      () => undefined,
    );

  beforeAll(async () => {
    lan = new Namespaces("a", "b");
    lan.connect("a", "b", "e0");
    await until("link-local addresses", () =>
      ["a", "b"].every((it) => {
        const text = lan.ip(it, "addr show e0");
        return text.includes("fe80:") && !text.includes("tentative");
      }),
    );
  });
  afterAll(() => lan.remove());

  it("two nodes find each other's link-local address, and the host's own autoconfiguration is untouched (UNN-01, UNN-02, UNN-11)", async () => {
    const before = ["addr show e0", "-6 route show"].map((it) => lan.ip("a", it));
    const [a, b] = [discover("a"), discover("b")];
    try {
      a.setLinks(new Map([["e0", linkOf("a")]]));
      b.setLinks(new Map([["e0", linkOf("b")]]));
      await until("both routers", () => [a, b].every((it) => it.status("e0").router !== null));
      expect(a.status("e0")).toEqual({ router: linkOf("b").linkLocal, error: null });
      expect(b.status("e0")).toEqual({ router: linkOf("a").linkLocal, error: null });
      expect(lan.ip("a", "-6 route show default")).toBe("");
      expect(["addr show e0", "-6 route show"].map((it) => lan.ip("a", it).replaceAll(/ expires \d+sec/g, ""))).toEqual(
        before.map((it) => it.replaceAll(/ expires \d+sec/g, "")),
      );
    } finally {
      a.close();
      b.close();
    }
  });

  it("what arrives is whole and passes the checks, and one's own messages do not come back (UNN-01, UNN-02)", async () => {
    const heard: { readonly where: string; readonly message: unknown }[] = [];
    const open = (name: string) =>
      lan.in(name, () =>
        routerSegments.open(linkOf(name).interfaceIndex, (frame) =>
          heard.push({ where: name, message: decodeRouterMessage(frame) }),
        ),
      );
    const [a, b] = [open("a"), open("b")];
    try {
      a.send(encodeRouterAdvertisement(linkOf("a").mac), ip("ff02::1"));
      await until("the advertisement", () => heard.length > 0);
      expect(heard).toEqual([
        {
          where: "b",
          message: { type: "advertisement", source: linkOf("a").linkLocal, lifetimeSeconds: 0, mac: linkOf("a").mac },
        },
      ]);
    } finally {
      a.close();
      b.close();
    }
  });

  it("an interface that does not exist is an error with a sentence", () => {
    expect(() => lan.in("a", () => routerSegments.open(9999, () => undefined))).toThrow(/device/i);
  });
});
