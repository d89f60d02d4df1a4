import { ip, type Ipv6 } from "../../../src/addr/ip.ts";
import type { Mac } from "../../../src/addr/mac.ts";
import { INTERFACE, VIPS } from "../stage.ts";
import type { Feature } from "./feature.ts";
import { established, LIMIT_MILLIS, PLAIN_ROUTES, type Scene } from "./scene.ts";

interface IpAddr {
  readonly ifindex: number;
  readonly address: string;
  readonly addr_info: readonly { readonly local: string; readonly scope: string }[];
}

/** What the kernel has on our end of the cable. */
async function ourLink(scene: Scene) {
  const [link] = JSON.parse(await scene.stage.ip("ours", `-j addr show dev ${INTERFACE}`)) as readonly IpAddr[];
  const linkLocal = link?.addr_info.find(({ scope }) => scope === "link")?.local;
  if (link === undefined || linkLocal === undefined) throw new Error("the interface is not ready");
  return { name: INTERFACE, interfaceIndex: link.ifindex, mac: link.address as Mac, linkLocal: ip(linkLocal) as Ipv6 };
}

export const unnumbered: Feature = {
  name: "unnumbered",
  title: "Unnumbered sessions",
  what: "each side finds the other by router advertisements; routes of both families arrive with link-local next hops",
  transports: ["IPv6"],
  async play(scene) {
    const { stage } = scene;
    const discover = await ourLink(scene);
    const speaker = await stage.speaker({ discover, listen: [], addresses: [discover.linkLocal] });
    await speaker.order({ do: "routes", routes: PLAIN_ROUTES });
    await scene.router.start({ unnumbered: true, extendedNextHop: true });
    await speaker.until("the router is found", LIMIT_MILLIS, ({ discovered }) => discovered !== null);
    const { discovered } = await speaker.order({ do: "look" });
    const peer = stage.peer({ address: discovered!, interfaceName: INTERFACE, extendedNextHop: true });
    await speaker.order({ do: "peers", peers: [peer] });
    await speaker.until("the session is up", LIMIT_MILLIS, established);
    await scene.routerHas("our routes", VIPS);
    for (const [prefix, { nextHop }] of await scene.router.routes()) {
      scene.demand(nextHop === discover.linkLocal, `next hop of ${prefix}: ${nextHop}`);
    }
  },
};
