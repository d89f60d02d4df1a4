import { Asn } from "../../../src/bgp/wire/asn.ts";
import { BGP_PORT, ROUTER_PREFIXES, VIPS } from "../stage.ts";
import type { Feature } from "./feature.ts";
import { down, LIMIT_MILLIS, PLAIN_ROUTES, usable } from "./scene.ts";

const PASSWORD = "correct-horse";
const AS_TRANS = 23_456;
const OUR_LONG_ASN = 4_200_000_001;
const ROUTER_LONG_ASN = 4_200_000_002;

export const bothFamilies: Feature = {
  name: "both-families",
  title: "IPv4 and IPv6 routes on one session",
  what: "both sides dial; each side's routes of both families arrive with the next hop that belongs to them",
  async play(scene) {
    const { stage, router } = scene;
    const speaker = await scene.begin();
    const ours = stage.addresses("ours");
    const routes = await router.routes();
    scene.demand(routes.get(VIPS[0])?.nextHop === ours.IPv4, `IPv4 next hop ${routes.get(VIPS[0])?.nextHop}`);
    scene.demand(routes.get(VIPS[1])?.nextHop === ours.IPv6, `IPv6 next hop ${routes.get(VIPS[1])?.nextHop}`);
    const theirs = stage.addresses("router");
    for (const { prefix, nextHop } of usable(await speaker.order({ do: "look" }))) {
      const wanted = prefix.includes(":") ? theirs.IPv6 : theirs.IPv4;
      scene.demand(nextHop === wanted, `the router's next hop of ${prefix} is ${nextHop}`);
    }
    await speaker.order({ do: "routes", routes: PLAIN_ROUTES.slice(0, 1) });
    await scene.routerHas("what is left after a withdrawal", [VIPS[0]]);
  },
};

export const passive: Feature = {
  name: "passive",
  title: "Passive sides",
  what: "we dial a router that does not; a router dials us when we do not",
  async play(scene) {
    const speaker = await scene.begin({ router: { passive: true } });
    await scene.router.kill();
    await speaker.order({ do: "peers", peers: [scene.stage.peer({ passive: true })] });
    await scene.router.start({ passive: false });
    await scene.converged(speaker);
  },
};

export const fourOctetAs: Feature = {
  name: "four-octet-as",
  title: "Four-octet AS numbers",
  what: `both AS numbers above 65535, and both seen whole in the other's AS path`,
  async play(scene) {
    const speaker = await scene.begin({
      router: { asn: ROUTER_LONG_ASN, peerAsn: OUR_LONG_ASN },
      peer: { asn: Asn.of(ROUTER_LONG_ASN) },
      speaker: { localAsn: OUR_LONG_ASN },
    });
    for (const [prefix, { asPath }] of await scene.router.routes()) {
      scene.demand(asPath === `${OUR_LONG_ASN}`, `AS path of ${prefix} at the router: ${asPath}`);
    }
    for (const { prefix, asPath } of usable(await speaker.order({ do: "look" }))) {
      scene.demand(asPath.join(" ") === `${ROUTER_LONG_ASN}`, `AS path of ${prefix}: ${asPath.join(" ")}`);
    }
  },
};

export const twoOctetAs: Feature = {
  name: "two-octet-as",
  title: "A router without four-octet AS numbers",
  what: "our AS number above 65535 reaches it as AS_TRANS, or whole where it reads AS4_PATH",
  async play(scene) {
    const speaker = await scene.begin({
      router: { twoOctetAs: true, peerAsn: OUR_LONG_ASN },
      speaker: { localAsn: OUR_LONG_ASN },
    });
    for (const [prefix, { asPath }] of await scene.router.routes()) {
      scene.demand([`${AS_TRANS}`, `${OUR_LONG_ASN}`].includes(asPath), `AS path of ${prefix}: ${asPath}`);
    }
    const { peers } = await speaker.order({ do: "look" });
    scene.demand(peers[0]?.remote?.fourOctetAs === false, "the router has offered four-octet AS numbers");
  },
};

export const md5: Feature = {
  name: "md5",
  title: "TCP MD5 (RFC 2385)",
  what: "either side dials; a wrong password is dropped by the kernel, the right one is then taken again",
  async play(scene) {
    const { stage, kind } = scene;
    const { address } = stage.peer();
    const keys = (password: string) => [{ remote: address, password }];
    const listen = [{ address: stage.address("ours"), port: BGP_PORT, md5Keys: keys(PASSWORD) }];
    const right = { md5Password: PASSWORD };
    const speaker = await scene.begin({
      router: { password: PASSWORD, passive: false },
      peer: { ...right, passive: true },
      speaker: { listen },
    });
    await scene.router.kill();
    await speaker.order({ do: "keys", keys: keys("another") });
    await scene.router.start({ password: PASSWORD, passive: false });
    await scene.dropped("ours", "TCPMD5Failure");
    scene.demand(down(await speaker.order({ do: "look" })) === true, "the session is up with the wrong password");
    await speaker.order({ do: "keys", keys: keys(PASSWORD) });
    await scene.converged(speaker);
    if (kind.partly?.md5 !== undefined) return;

    await scene.router.kill();
    await speaker.order({ do: "peers", peers: [stage.peer({ md5Password: "another" })] });
    await scene.router.start({ password: PASSWORD, passive: true });
    await scene.dropped("router", "TCPMD5Failure");
    scene.demand(down(await speaker.order({ do: "look" })) === true, "the session is up with the wrong password");
    await speaker.order({ do: "peers", peers: [stage.peer(right)] });
    await scene.converged(speaker);
  },
};

export const gtsm: Feature = {
  name: "gtsm",
  title: "TTL security (RFC 5082)",
  what: "both sides send 255; whoever sends less is not heard by the other",
  async play(scene) {
    const { stage, kind } = scene;
    const hops = { ttl: 255, minTtl: 255 };
    const listen = [{ address: stage.address("ours"), port: BGP_PORT, ...hops }];
    const isUnchecked = kind.partly?.gtsm !== undefined;
    // One that does not set a limit on its listener does not answer with 255 there either.
    const speaker = await scene.begin({
      router: { gtsm: true, passive: false },
      peer: { ...hops, passive: isUnchecked },
      speaker: { listen },
    });
    await scene.router.kill();
    await speaker.order({ do: "peers", peers: [stage.peer(hops)] });
    await scene.router.start({ passive: true });
    await scene.dropped("ours", "TCPMinTTLDrop");
    scene.demand(down(await speaker.order({ do: "look" })) === true, "the session is up with the router's low TTL");
    if (isUnchecked) return;

    await scene.router.kill();
    await speaker.order({ do: "peers", peers: [stage.peer({ ttl: 64, holdTimeSeconds: 3 })] });
    await scene.router.start({ gtsm: true, passive: true });
    await scene.dropped("router", "TCPMinTTLDrop");
    // Some routers set the limit on a connection that they have accepted already: its first words may get through.
    await speaker.until("the session with our low TTL is down", LIMIT_MILLIS, down);
  },
};

export const routeRefresh: Feature = {
  name: "route-refresh",
  title: "Route refresh (RFC 2918)",
  what: "asked by the router, we send all routes again, and the session stays",
  async play(scene) {
    const speaker = await scene.begin();
    const before = (await speaker.order({ do: "look" })).traffic;
    await scene.router.askRefresh();
    await speaker.until("the router's request comes and is answered", LIMIT_MILLIS, ({ traffic }) => {
      const asked = traffic.received.counts.routeRefresh - before.received.counts.routeRefresh;
      const sent = traffic.sent.counts.update - before.sent.counts.update;
      return (asked >= 2 && sent >= VIPS.length) || `${asked} requests, ${sent} UPDATEs since`;
    });
    await scene.routerHas("our routes still", VIPS);
    const { peers } = await speaker.order({ do: "look" });
    scene.demand(peers[0]?.establishedCount === 1, "the session did not stay");
  },
};

export const holdExpiry: Feature = {
  name: "hold-expiry",
  title: "Hold time",
  what: "whichever side hangs, the other one ends the session with 4/0 and drops its routes",
  async play(scene) {
    const timers = { router: { holdTimeSeconds: 3 }, peer: { holdTimeSeconds: 3 } };
    const speaker = await scene.begin(timers);
    speaker.process.signal("SIGSTOP");
    await scene.routerHas("nothing of a speaker that hangs", []);
    speaker.process.signal("SIGCONT");
    await speaker.until("the router's NOTIFICATION 4/0", LIMIT_MILLIS, ({ traffic }) =>
      traffic.received.notifications.some(({ code }) => code === 4),
    );
    await scene.converged(speaker);
    scene.router.freeze();
    await speaker.until("the router that hangs is given up", LIMIT_MILLIS, (view) => {
      const gone = !ROUTER_PREFIXES.some((one) => usable(view).some(({ prefix }) => prefix === one));
      return (gone && view.traffic.sent.notifications.some(({ code }) => code === 4)) || "it is not";
    });
  },
};

export const notificationText: Feature = {
  name: "notification-text",
  title: "Shutdown text (RFC 9003)",
  what: "the reason that one side gives for its Cease is shown by the other",
  async play(scene) {
    const speaker = await scene.begin();
    const sent = await scene.router.shutDown("rack 7 is moved");
    await speaker.until("the router's text is in our status", LIMIT_MILLIS, ({ peers: [peer] }) => {
      return peer?.lastError?.message.includes(sent) === true || `${peer?.lastError?.message}`;
    });
    await scene.router.kill();
    await scene.router.start({});
    await scene.converged(speaker);
    await speaker.order({ do: "stop", reason: "node n1 is drained" });
    if (scene.kind.partly?.["notification-text"] === undefined) await scene.routerSays("node n1 is drained");
    await scene.routerHas("nothing after the Cease", []);
  },
};
