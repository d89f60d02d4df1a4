import { VIPS } from "../stage.ts";
import type { Feature } from "./feature.ts";
import { established, LIMIT_MILLIS } from "./scene.ts";

/** Enough for several messages of the usual 4096 octets. */
const MANY = 3000;
const USUAL_MESSAGE_MAX = 4096;

export const enhancedRouteRefresh: Feature = {
  name: "enhanced-route-refresh",
  title: "Enhanced route refresh (RFC 7313)",
  what: "our answer to a refresh has a beginning and an end, for each family",
  async play(scene) {
    const speaker = await scene.begin({ router: { enhancedRefresh: true } });
    await scene.router.askRefresh();
    await speaker.until("our answer is marked", LIMIT_MILLIS, ({ traffic }) => {
      const marks = traffic.sent.refreshes.toSorted((a, b) => a - b).join(" ");
      return marks === "1 1 2 2" || `subtypes sent: ${marks}`;
    });
    await scene.routerHas("our routes still", VIPS);
    const { peers } = await speaker.order({ do: "look" });
    scene.demand(peers[0]?.establishedCount === 1, "the session did not stay");
  },
};

export const extendedMessages: Feature = {
  name: "extended-messages",
  title: "Extended messages (RFC 8654)",
  what: `${MANY} routes arrive, in messages longer than ${USUAL_MESSAGE_MAX} octets`,
  async play(scene) {
    const routes = Array.from({ length: MANY }, (_, at) => ({ prefix: `10.${at >> 8}.${at & 255}.1/32` }));
    const speaker = await scene.begin({ router: { extendedMessages: true }, routes });
    const { longest } = (await speaker.order({ do: "look" })).traffic.sent;
    scene.demand(longest > USUAL_MESSAGE_MAX, `the longest message had ${longest} octets`);
  },
};

export const extendedNextHop: Feature = {
  name: "extended-next-hop",
  title: "IPv4 routes with IPv6 next hops (RFC 8950)",
  what: "without an IPv4 address of ours, the router has our IPv4 route by our IPv6 address",
  transports: ["IPv6"],
  async play(scene) {
    const { IPv6 } = scene.stage.addresses("ours");
    await scene.begin({
      router: { extendedNextHop: true },
      peer: { extendedNextHop: true },
      speaker: { addresses: [IPv6] },
    });
    const nextHop = (await scene.router.routes()).get(VIPS[0])?.nextHop ?? "none";
    scene.demand(nextHop === IPv6 || nextHop.startsWith("fe80:"), `next hop ${nextHop}`);
  },
};

export const role: Feature = {
  name: "role",
  title: "Roles (RFC 9234)",
  what: "customer and provider agree; two providers end with 2/11",
  async play(scene) {
    const speaker = await scene.begin({ router: { role: "provider" }, peer: { role: "customer", strictRole: true } });
    await speaker.order({ do: "peers", peers: [scene.stage.peer({ role: "provider" })] });
    await speaker.until("the roles do not agree", LIMIT_MILLIS, (view) => {
      const all = [...view.traffic.sent.notifications, ...view.traffic.received.notifications];
      const mismatch = all.some(({ code, subcode }) => code === 2 && subcode === 11);
      return (mismatch && established(view) !== true) || JSON.stringify(all);
    });
  },
};
