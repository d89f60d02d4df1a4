import type { GracefulRestartConfig } from "../../../src/bgp/session/speaker.ts";
import { community, ROUTER_PREFIXES, VIPS } from "../stage.ts";
import type { Feature } from "./feature.ts";
import { LIMIT_MILLIS, PLAIN_ROUTES, usable } from "./scene.ts";

const GRACEFUL: GracefulRestartConfig = { restartTimeSeconds: 30, helper: true, longLivedSecondsMax: 0 };
/** Announced before the restart and not after it. */
const FORGOTTEN = "192.0.2.99/32";
const GRACEFUL_SHUTDOWN = "65535:0";

export const gracefulRestart: Feature = {
  name: "graceful-restart",
  title: "Graceful restart of vipcast (RFC 4724)",
  what: "killed and started again: the router keeps the routes as stale until it has been told all again, and, where it programs the kernel, no route is touched and no connection fails",
  async play(scene) {
    const { kind } = scene;
    const settings = { router: { gracefulRestart: true }, peer: { gracefulRestart: GRACEFUL } };
    const routes = [...PLAIN_ROUTES, { prefix: FORGOTTEN }];
    const first = await scene.begin({ ...settings, routes });
    const traffic = kind.programsKernel ? await scene.traffic() : null;

    first.process.signal("SIGKILL");
    await first.process.ended;
    await scene.routerShows("our routes, marked as stale", LIMIT_MILLIS, (seen) => {
      return VIPS.every((vip) => seen.get(vip)?.stale === true) || JSON.stringify([...seen]);
    });
    const second = await scene.speak({ ...settings, speaker: { restarted: true } });
    await scene.converged(second);
    await scene.routerShows("nothing stale", LIMIT_MILLIS, (seen) => {
      return ![...seen.values()].some(({ stale }) => stale) || JSON.stringify([...seen]);
    });
    if (traffic !== null) await traffic.demandUntouched();
  },
};

export const gracefulRestartHelper: Feature = {
  name: "graceful-restart-helper",
  title: "Graceful restart of the router",
  what: "the router is killed and started again: we keep its routes as stale, and they are fresh when it has told them again",
  async play(scene) {
    const settings = { router: { gracefulRestart: true }, peer: { gracefulRestart: GRACEFUL } };
    const speaker = await scene.begin(settings);
    await scene.router.kill();
    await speaker.until("the router's routes are stale", LIMIT_MILLIS, (view) => {
      const kept = usable(view).filter(({ stale }) => stale === "restart");
      return kept.length === ROUTER_PREFIXES.length || `${kept.length} are`;
    });
    await scene.router.start(settings.router);
    await scene.converged(speaker);
    await speaker.until("the router's routes are fresh", LIMIT_MILLIS, (view) => {
      return !usable(view).some(({ stale }) => stale !== undefined) || "some are stale";
    });
  },
};

export const gracefulShutdown: Feature = {
  name: "graceful-shutdown",
  title: "Graceful shutdown (RFC 8326)",
  what: "before a stop all routes carry 65535:0, then they are withdrawn, then comes the Cease",
  async play(scene) {
    const speaker = await scene.begin({
      routes: VIPS.map((prefix) => ({ prefix, communities: [community(65_001, 7)] })),
    });
    await speaker.order({ do: "drain" });
    await scene.routerShows(`${GRACEFUL_SHUTDOWN} on our routes`, LIMIT_MILLIS, (routes) => {
      const all = VIPS.map((vip) => routes.get(vip)?.communities.toSorted().join(" ") ?? "");
      return all.every((one) => one === `65001:7 ${GRACEFUL_SHUTDOWN}`) || all.join("; ");
    });
    const { traffic } = await speaker.order({ do: "stop", reason: "drained" });
    const words = traffic.sent.last.join(" ");
    scene.demand(words.endsWith("update notification") || words.endsWith("update update notification"), words);
    const cease = traffic.sent.notifications.at(-1);
    scene.demand(cease?.code === 6 && cease.subcode === 2, `NOTIFICATION ${cease?.code}/${cease?.subcode}`);
    await scene.routerHas("nothing of us", []);
  },
};
