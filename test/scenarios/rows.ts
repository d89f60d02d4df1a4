/** A behaviour that is expected of a daemon that announces VIPs. */
export interface ScenarioRow {
  readonly id: string;
  readonly what: string;
}

const AREAS: readonly (readonly [letter: string, title: string, rows: readonly string[]])[] = [
  [
    "A",
    "Sessions",
    [
      "Within an AS and between two, over IPv4 and IPv6, a session comes up, and status, metrics and commands say the same.",
      "A password from a Secret signs every segment.",
      "A wrong password is named as the likely cause, not only as a time-out.",
      "Without its Secret a peer is not even tried, others are not touched, and the Secret heals it without a restart.",
      "A wrong AS is refused with the right NOTIFICATION, and both numbers are shown.",
      "A peer may be of any other AS, or of ours, and nobody else is taken.",
      "A session may use another AS number than the daemon's own.",
      "Unnumbered: the router on a link is found, and both families are exchanged by link-local addresses.",
      "A session in a VRF leaves routes and state of others alone.",
      "Router id, source address and timers are as configured, and the lower hold time counts.",
      "After a reset of TCP the session is back within the connect-retry time.",
      "A silent peer is given up when the hold time is over, told so, and tried again.",
      "Peers that are added leave the sessions of others alone.",
      "Peers with node selectors come and go with the node's labels, on that node only.",
      "Two peers with one address are refused where both would be on one node, and accepted on different ones.",
    ],
  ],
  [
    "B",
    "Announcing",
    [
      "A Service that is created is announced by every node that may, and by none when it is deleted.",
      "A Service that becomes a ClusterIP loses its route.",
      "Selectors of Services and addresses decide together.",
      "A changed selector touches the Services that it is about, and no other.",
      "Changed labels of a Service change what is announced of it.",
      "A peer gets what its own export rules give it, and nothing of what is for others.",
      "An address of several Services is announced as long as one of them is.",
      "Communities of each kind and local preference arrive as they were given, and change without a new session.",
      "Where several Services want attributes for one prefix, a rule that is the same on every node decides.",
      "An aggregate is announced with its first member and withdrawn with its last.",
      "One session carries both families, or the one that is chosen, and what is wrong with one leaves the other alone.",
      "A Service of another load balancer's class is not touched.",
      "Many Services that come and go in one burst cost no session.",
      "The same configuration once more sends nothing.",
      "An address that the segment announced as well stays announced by BGP when that ends.",
    ],
  ],
  [
    "C",
    "Traffic policy and endpoints",
    [
      "Policy Cluster: moving endpoints change no next hop.",
      "Policy Local: the next hops are the nodes with usable endpoints.",
      "Policy Local: a node withdraws with its last endpoint, also when the whole slice goes.",
      "Without any endpoint the documented rule of each policy is followed.",
      "A terminating endpoint counts while it serves and no other is ready, and never brings a route back.",
      "A rolling update fails no connection of a client outside.",
      "Flapping endpoints are damped, and the last next hop is not taken while anything serves.",
      "Cluster to Local and back narrows and widens without a gap; a new start comes back with the narrow set.",
    ],
  ],
  [
    "D",
    "State of the node",
    [
      "A node that is excluded from load balancers, or has no network, is no next hop until that ends.",
      "A cordoned node goes on announcing unless told otherwise; then it is less preferred, waits and withdraws.",
      "A planned drain under traffic fails no connection.",
      "A node without power loses its own next hop only, in time, and traffic to others goes on.",
      "A node that returns has its next hops again, as many as before.",
    ],
  ],
  [
    "E",
    "BFD",
    [
      "With equal settings a session comes up, and both ends show what was negotiated.",
      "A path that is lost ends BGP within the detection time and for that reason; both come back with it.",
      "A path that is lost costs no other peer its session.",
      "Changes of other things make no session flap.",
      "A peer without BFD any more leaves no socket behind.",
      "A busy node is not taken for a dead one.",
    ],
  ],
  [
    "F",
    "Restart, failure, partition",
    [
      "With graceful restart a new start costs no connection; without it the loss is seen.",
      "With graceful restart a node that died does not leave routes for longer than the restart time.",
      "A first start announces at once, without waiting for anybody.",
      "SIGTERM withdraws before the end; what SIGKILL leaves goes by BFD or hold time, and no old address stays.",
      "Without the API server the declared policy holds, and afterwards everything is right without a restart.",
      "A watch that ends, or is refused for a while, loses no change.",
      "A router that is away costs others nothing and has everything again when it is back.",
    ],
  ],
  [
    "G",
    "Layer 2 and elections",
    [
      "One node answers for an address, and it is the one that status names.",
      "When it stops, dies or is cut off another takes over in time, and says so on the segment.",
      "Takeovers upon takeovers leave no address on nobody, and on two nodes never beyond the stated bound.",
      "A holder without the API server lets go before its Lease can be taken, and clears up when it is back.",
      "A holder whose interface goes down gives the Lease up.",
      "Preferred nodes and interfaces are followed, fallen back from and returned to; where nobody fits, that is said.",
      "Services of one address are announced by one node.",
      "Many Services keep the traffic for Leases within its bound.",
    ],
  ],
  [
    "H",
    "The control plane's VIP",
    [
      "The VIP is up before there is a cluster, in time for the first node to join it.",
      "With several nodes the router has a next hop for each that is well.",
      "A node whose API server fails withdraws in time, removes the address, and comes back after it, in every mode.",
      "When all fail, the declared rule for the last one is followed.",
      "The daemon never reaches the API through the VIP that it serves.",
    ],
  ],
  [
    "I",
    "Addresses of pools",
    [
      "A wanted address is given when it is free, and otherwise refused with an Event.",
      "A full pool is seen in status, metrics and Events, and whoever waits gets what becomes free.",
      "A new start keeps every address.",
      "Dual-stack follows the documented rule, and no address changes without need.",
      "A record of addresses that was edited by hand is put right.",
    ],
  ],
  [
    "J",
    "Configuration",
    [
      "What is wrong is refused with the field named, and the last good configuration goes on.",
      "What is wrong for one node is that node's verdict only.",
      "When errors are mended one by one the reason moves to the next, and ends.",
      "Objects with state that are deleted come back, and those of nodes that are gone are removed.",
      "What a change would do to the routes can be predicted.",
    ],
  ],
  [
    "K",
    "What an operator sees",
    [
      "Metrics of sessions, prefixes, BFD and elections say what the router says.",
      "One command names, for every node, the gate, the object that decided, and what would change it.",
      "The log level changes without losing a session, and no secret is ever printed.",
      "A thousand changes make few Events.",
    ],
  ],
  [
    "L",
    "Security",
    [
      "Routes of routers are neither used nor kept beyond a limit.",
      "Bytes of any kind cost neither the daemon nor its memory.",
      "All of this works with the fewest rights.",
    ],
  ],
  [
    "M",
    "Over its life",
    [
      "An upgrade under traffic loses no route, and old objects are still read.",
      "Days of change leave memory, descriptors and timers flat.",
      "Another BGP speaker on the node is named, and neither disturbs the other.",
    ],
  ],
];

export const SCENARIO_AREAS: readonly {
  readonly letter: string;
  readonly title: string;
  readonly rows: readonly ScenarioRow[];
}[] = AREAS.map(([letter, title, rows]) => ({
  letter,
  title,
  rows: rows.map((what, index) => ({ id: `${letter}${index + 1}`, what })),
}));

export const SCENARIO_IDS: readonly string[] = SCENARIO_AREAS.flatMap(({ rows }) => rows.map(({ id }) => id));
