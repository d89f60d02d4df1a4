import type { SeenRoute } from "../router.ts";
import type { Announcement } from "../speaker.ts";
import { community, OUR_ASN, VIPS } from "../stage.ts";
import type { Feature } from "./feature.ts";
import type { Scene } from "./scene.ts";

/** Announces both VIPs with `attributes`, and demands that the router shows `wanted` of each. */
async function shown(
  scene: Scene,
  attributes: Omit<Announcement, "prefix">,
  pick: (route: SeenRoute) => readonly string[],
  wanted: readonly string[],
): Promise<void> {
  const routes = VIPS.map((prefix) => ({ prefix, ...attributes }));
  await scene.begin({ routes });
  for (const [prefix, route] of await scene.router.routes()) {
    const seen = pick(route).toSorted().join(", ");
    scene.demand(seen === wanted.toSorted().join(", "), `${prefix} has ${seen === "" ? "none" : seen}`);
  }
}

export const communities: Feature = {
  name: "communities",
  title: "Communities (RFC 1997)",
  what: "the router shows each of ours",
  play: (scene) =>
    shown(scene, { communities: [community(OUR_ASN, 100), community(OUR_ASN, 65_535)] }, (route) => route.communities, [
      `${OUR_ASN}:100`,
      `${OUR_ASN}:65535`,
    ]),
};

export const largeCommunities: Feature = {
  name: "large-communities",
  title: "Large communities (RFC 8092)",
  what: "as above, with numbers of 32 bits",
  play: (scene) =>
    shown(
      scene,
      {
        largeCommunities: [
          [OUR_ASN, 1, 2],
          [4_200_000_001, 4_294_967_295, 0],
        ],
      },
      (route) => route.largeCommunities,
      [`${OUR_ASN}:1:2`, "4200000001:4294967295:0"],
    ),
};

export const extendedCommunities: Feature = {
  name: "extended-communities",
  title: "Extended communities (RFC 4360)",
  what: "a route target",
  play: (scene) =>
    shown(
      scene,
      // Type 0, subtype 2, two octets of AS, four of number.
      { extendedCommunities: ["0x0002fde900000007"] },
      (route) => route.extendedCommunities,
      [`rt ${OUR_ASN}:7`],
    ),
};
