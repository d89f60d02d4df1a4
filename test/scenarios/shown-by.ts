/** Behaviours and the tests that showed them before the list was there: file and title, which must be in it. */
export const SHOWN_BY: Readonly<Record<string, readonly (readonly [file: string, title: string])[]>> = {
  A1: [
    [
      "src/bgp/session/speaker.test.ts",
      "exchange them inside one AS, over IPv6, and through octets that come one by one",
    ],
    ["test/interop/features/session.ts", "IPv4 and IPv6 routes on one session"],
  ],
  A2: [
    ["src/linux/io/tcp.test.ts", "comes up only with the same MD5 key at both ends"],
    ["test/interop/features/session.ts", "TCP MD5 (RFC 2385)"],
  ],
  A3: [
    ["src/bgp/session/diagnosis.test.ts", "reports silence with a key configured as what a wrong key looks like"],
    ["test/daemon.test.ts", "says of a peer that does not answer why that may be, and writes down what happened"],
  ],
  A4: [
    [
      "test/daemon-passwords.test.ts",
      "keeps back the one peer whose Secret is not there, and connects once it is, without a restart",
    ],
  ],
  A5: [["src/bgp/session/speaker.test.ts", "is what the two sides expected of each other's AS"]],
  A6: [
    [
      "src/bgp/session/peers.test.ts",
      "may be any of another AS, or any of ours, and status has the number that it came with",
    ],
  ],
  A8: [
    [
      "src/daemon/bgp-unnumbered.test.ts",
      "comes up by discovery, carries both families over link-local addresses, and falls with the link",
    ],
  ],
  A10: [
    ["src/config/load-bgp.test.ts", "has what its peer says, and else what is said for all"],
    ["src/bgp/fsm/negotiation.test.ts", "BGP-4271-10-02"],
    ["src/linux/io/tcp.test.ts", "dials from the source address it was given"],
  ],
  A11: [["src/bgp/session/speaker.test.ts", "to a reset of TCP is back within the connect-retry time"]],
  A12: [
    ["src/bgp/session/speaker.test.ts", "to silence ends with the hold time, and comes back"],
    ["test/interop/features/session.ts", "Hold time"],
  ],
  A13: [["src/bgp/session/speaker.test.ts", "touches no peer that stays as it is"]],
  B5: [["src/vip/route-attributes.test.ts", "tags of export rules"]],
  B6: [["src/bgp/session/peers.test.ts", "of a policy reaches a living session by its difference, and no other peer"]],
  B7: [["src/vip/plan.test.ts", "that shares its address keeps the route when the other one loses its endpoints"]],
  B8: [
    ["test/interop/features/communities.ts", "Communities (RFC 1997)"],
    ["test/interop/features/communities.ts", "Large communities (RFC 8092)"],
    ["src/bgp/session/peers.test.ts", "of a policy reaches a living session by its difference, and no other peer"],
  ],
  B9: [
    [
      "src/vip/route-attributes.test.ts",
      "for an address of several Services has the communities of all and the numbers of the first by name",
    ],
  ],
  B11: [
    ["test/interop/features/session.ts", "IPv4 and IPv6 routes on one session"],
    ["src/bgp/session/told.test.ts", "is why IPv4 is not announced on a session over IPv6 that has no address for it"],
  ],
  B12: [["src/vip/plan.test.ts", "has another class"]],
  B14: [["src/bgp/session/speaker.test.ts", "send only what changes"]],
  C3: [["src/vip/plan.test.ts", "loses its route with the last usable endpoint of the family"]],
  C4: [
    ["src/vip/plan.test.ts", "without endpoints is announced when its annotation says so, but not with policy Local"],
  ],
  C5: [
    [
      "src/vip/plan.test.ts",
      "counts all of its slices, and a terminating endpoint that still serves when none is ready",
    ],
  ],
  E1: [
    ["test/bfd/interop.test.ts", "sessions over IPv4 and IPv6 come up, and are lost soon after the router is killed"],
    ["src/bfd/session/engine.test.ts", "come up, and hurry once they are"],
  ],
  E2: [
    ["src/bgp/session/bfd.test.ts", "that goes down ends the session at once, with 6/10"],
    ["test/bfd/kernel.test.ts", "find a path gone within the Detection Time, and come back with it"],
  ],
  E5: [["src/bfd/session/engine.test.ts", "leave no receiving socket behind"]],
  E6: [["test/bfd/interop.test.ts", "3 × 50 ms hold while the main thread is blocked half of the time"]],
  F2: [["src/bgp/session/graceful-restart.test.ts", "stay, marked stale, for its restart time, and not longer"]],
  F3: [
    ["src/daemon/node.test.ts", "announces what it knows, and tells that this is all only once lists and probe are in"],
  ],
  F4: [
    ["test/daemon.test.ts", "takes over what a killed run left, and removes what is no longer wanted"],
    ["test/daemon.test.ts", "puts the VIPs up, tells its status, and takes them away when told to stop"],
  ],
  F5: [
    [
      "src/kube/cache.test.ts",
      "keeps what it has while the API is away, comes back by itself, and asks ever more rarely",
    ],
  ],
  F6: [
    [
      "src/kube/cache.test.ts",
      "lists again after 410 in the stream or as a status, and drops what was deleted meanwhile",
    ],
    ["src/kube/cache.test.ts", "waits as long as the server asks"],
  ],
  G5: [["src/vip/plan.test.ts", "gives the Leases up when the interface goes down"]],
  H3: [
    ["src/vip/plan.test.ts", "is withdrawn and removed when the API server fails, and says so"],
    [
      "src/daemon/probe.test.ts",
      "stays ready until the threshold of failures in a row is reached, and recovers with one success",
    ],
  ],
  J1: [
    ["src/config/load-bgp.test.ts", "on an interface has no address, source or distance of its own"],
    ["src/vip/plan.test.ts", "with its own election is refused alone when its annotation names what is no Lease"],
    ["src/vip/plan.test.ts", "is listed as refused for the bad address alone when one of two can be served"],
  ],
  J2: [
    [
      "src/vip/plan.test.ts",
      "names the interface as the reason on a node that lacks it, not the election for which it does not stand",
    ],
  ],
  K1: [
    ["src/status/server.test.ts", "draws the metrics from the report, under kube-vip's names where they exist"],
    ["src/status/server.test.ts", "counts what the peers did since they were configured, however often it is asked"],
  ],
  K3: [
    [
      "test/daemon.test.ts",
      "shows passwords of its flags neither in the list of processes nor in log, status and recordings",
    ],
  ],
  L1: [
    ["src/bgp/session/limits.test.ts", "are dropped and counted where that is configured, and a warning comes before"],
    ["src/bgp/rib/adj-rib-in.test.ts", "without an import policy: routes are kept and named unusable, in each family"],
  ],
  L2: [
    [
      "test/hostile/hostile-daemon.test.ts",
      "answers a thousand of each type as the RFCs say, keeps its sessions, and does not grow",
    ],
    ["src/bfd/session/engine.test.ts", "or is counted by the reason for which nobody took it"],
  ],
  L3: [["test/manifest.test.ts", "has no privileges but the capabilities that its settings need"]],
};
