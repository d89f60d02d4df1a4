import * as z from "zod";
import {
  bool,
  decimalNumber,
  hostAddress,
  interfaceName,
  ipv4Address,
  ipv6Address,
  objectName,
  text,
  wholeNumber,
} from "./leaves.ts";
import { named } from "./option-names.ts";
import {
  asNumber,
  BFD_AUTH_ROWS,
  BFD_ROWS,
  DynamicNeighbour,
  forAll,
  GRACEFUL_RESTART_ROWS,
  holdTime,
  nodeSelector,
  Peer,
  SESSION_ROWS,
} from "./schema-peer.ts";

const pattern = (parts: number, example: string) =>
  z.array(
    text().regex(
      new RegExp(`^(?:[a-z][-a-z]+|(?:[0-9a-z.]+|\\*)(?::(?:[0-9.]+|\\*)){${parts - 1}})$`),
      `must be ${example}, with * for any part`,
    ),
    { error: "must be a list" },
  );

/** What the annotations of Services may set; nothing unless it is allowed here. */
const ServiceAttributes = z.strictObject({
  communities: named(
    pattern(2, "a community such as 65000:100")
      .max(256)
      .default([])
      .describe("Communities that `vipcast.io/bgp-communities` may name; `65000:*` allows all of 65000."),
    { form: "list", env: ["vipcast_bgp_service_communities"] },
  ),
  largeCommunities: named(
    pattern(3, "a large community such as 65000:1:2")
      .max(256)
      .default([])
      .describe("The same for `vipcast.io/bgp-large-communities`, as in `65000:1:*`."),
    { form: "list", env: ["vipcast_bgp_service_large_communities"] },
  ),
  extendedCommunities: named(
    pattern(3, "an extended community such as rt:65000:100")
      .max(256)
      .default([])
      .describe("The same for `vipcast.io/bgp-extended-communities`, as in `rt:65000:*`."),
    { form: "list", env: ["vipcast_bgp_service_extended_communities"] },
  ),
  localPreference: named(bool().default(false).describe("Allows `vipcast.io/bgp-local-preference`."), {
    form: "bool",
    env: ["vipcast_bgp_service_local_preference"],
  }),
  med: named(bool().default(false).describe("Allows `vipcast.io/bgp-med`."), {
    form: "bool",
    env: ["vipcast_bgp_service_med"],
  }),
  maxPrepend: named(wholeNumber(0, 64).default(0).describe("Highest number that `vipcast.io/bgp-prepend` may have."), {
    form: "integer",
    env: ["vipcast_bgp_service_max_prepend"],
  }),
});

export const Bgp = z.strictObject({
  localAs: named(asNumber().default(65_000).describe("AS number of this node."), {
    form: "integer",
    flag: "localAS",
    env: ["bgp_as"],
  }),
  localAsOnNodes: named(
    z
      .array(
        z.strictObject({
          nodeSelector: nodeSelector().describe("Nodes that carry all of these labels."),
          localAs: asNumber().describe("Their AS number."),
        }),
        { error: "must be a list" },
      )
      .max(256, "must have at most 256 entries")
      .default([])
      .describe("AS numbers by the labels of nodes: the first entry that fits decides, and `localAs` where none does."),
    { form: "json", env: ["vipcast_bgp_local_as_on_nodes"] },
  ),
  annotationPrefix: named(
    objectName()
      .optional()
      .describe(
        "Peers, AS and source address are taken from annotations of the own Node with this prefix, and followed; in place of `peers`.",
      ),
    { form: "text", flag: "annotations", env: ["annotation"] },
  ),
  routerId: named(
    ipv4Address()
      .optional()
      .describe("BGP identifier; must differ from node to node. Left out: taken from an IPv4 address of the node."),
    { form: "text", flag: "bgpRouterID", env: ["bgp_routerid"] },
  ),
  routerInterface: named(
    interfaceName()
      .optional()
      .describe("Take the identifier from this interface's IPv4 address. Left out: from the node's."),
    { form: "text", env: ["bgp_routerinterface"] },
  ),
  sourceAddress: named(
    hostAddress()
      .optional()
      .describe("Local address of sessions with peers of its family. Not together with `sourceInterface`."),
    { form: "text", flag: "sourceIP", env: ["bgp_sourceip"] },
  ),
  sourceInterface: named(interfaceName().optional().describe("Bind all sessions to this interface."), {
    form: "text",
    flag: "sourceIF",
    env: ["bgp_sourceif"],
  }),
  holdTimeSeconds: named(
    holdTime()
      .optional()
      .describe("Offered hold time. Left out: 9 (kube-vip: 30), or three keepalive intervals if that is more."),
    { form: "integer", flag: "bgpHoldTimer", env: ["bgp_hold_time"] },
  ),
  keepaliveSeconds: named(
    wholeNumber(0, 21_845).optional().describe("Keepalive interval. Left out: a third of the hold time."),
    { form: "integer", flag: "bgpKeepAliveInterval", env: ["bgp_keepalive_interval"] },
  ),
  connectRetrySeconds: named(wholeNumber(1, 65_535).default(10).describe("Time between two attempts to connect."), {
    form: "integer",
    env: ["vipcast_bgp_connect_retry_seconds"],
  }),
  listen: named(
    text()
      .optional()
      .describe("Accept sessions of the configured peers on this `address:port`. Left out: the daemon only dials."),
    { form: "text", flag: "bgpListen", env: ["vipcast_bgp_listen"] },
  ),
  ...forAll(SESSION_ROWS),
  gracefulRestart: z
    .strictObject({
      ...forAll(GRACEFUL_RESTART_ROWS),
      keepOnStop: named(
        bool()
          .default(false)
          .describe(
            "A stop while the node is in service is an upgrade: routes and addresses stay for the next start. What is announced under an election is withdrawn all the same.",
          ),
        { form: "bool", env: ["vipcast_bgp_keep_on_stop"] },
      ),
    })
    .prefault({})
    .describe("Graceful restart, for peers that do not say otherwise."),
  bfd: z
    .strictObject({ ...forAll(BFD_ROWS), ...forAll(BFD_AUTH_ROWS) })
    .prefault({})
    .describe("BFD, for peers that do not say otherwise."),
  drainSeconds: named(
    decimalNumber(0, 300)
      .default(1)
      .describe("How long routes carry GRACEFUL_SHUTDOWN (RFC 8326) before a stop withdraws them."),
    { form: "number", env: ["vipcast_bgp_drain_seconds"] },
  ),
  serviceAttributes: ServiceAttributes.prefault({}).describe(
    "What annotations of Services may add to their routes. A value that is not allowed is left out, and `vipcast explain` says so.",
  ),
  mpbgp: z
    .strictObject({
      nextHop: named(
        z
          .enum(["fixed", "auto_sourceip", "auto_sourceif"], { error: "must be fixed, auto_sourceip or auto_sourceif" })
          .optional()
          .describe("Offer both families to every peer, with this next hop; for peers that do not say otherwise."),
        { form: "text", env: ["mpbgp_nexthop"] },
      ),
      ipv4: named(ipv4Address().optional().describe("`fixed`: next hop of IPv4 routes."), {
        form: "text",
        env: ["mpbgp_ipv4"],
      }),
      ipv6: named(ipv6Address().optional().describe("`fixed`: next hop of IPv6 routes."), {
        form: "text",
        env: ["mpbgp_ipv6"],
      }),
    })
    .prefault({})
    .describe("MP-BGP for all peers, as in kube-vip."),
  peers: named(
    z
      .array(z.union([text(), Peer]), { error: "must be a list of peers" })
      .max(1024, "must have at most 1024 peers")
      .default([])
      .describe("The routers: kube-vip's text for a peer, or a map. `vipcast_bgp_peers` is the same list as JSON."),
    { form: "list", flag: "bgppeers", env: ["bgp_peers"] },
  ),
  dynamicNeighbours: named(
    z
      .array(DynamicNeighbour, { error: "must be a list" })
      .max(64, "must have at most 64 entries")
      .default([])
      .describe("Ranges whose routers may connect without being named one by one; needs `listen`."),
    { form: "json", env: ["vipcast_bgp_dynamic_neighbours"] },
  ),
});
