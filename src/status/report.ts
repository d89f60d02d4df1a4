import * as z from "zod";

/**
 * What the daemon says of itself: the document behind `vipcast status -o json`, `GET /status` and the metrics. Its JSON
 * Schema is published in `docs/status.schema.json`. Fields are only ever added.
 */

const Gate = z.strictObject({
  gate: z.string().describe("Name of the gate, in the order in which the gates are asked."),
  open: z.boolean(),
  fact: z.string().describe("The fact that decided, with the object and field it comes from."),
  hint: z.string().optional().describe("What would open a closed gate."),
});

const Opened = z
  .strictObject({
    at: z.string(),
    asn: z.number().nullable(),
    identifier: z.string().nullable(),
    holdTimeSeconds: z.number().nullable(),
    capabilities: z.array(z.string()),
    hex: z.string().describe("The message without its header."),
  })
  .nullable();

const Notified = z
  .strictObject({
    code: z.number(),
    subcode: z.number(),
    message: z.string(),
    at: z.string(),
    count: z.number().describe("How many there were since the peer was configured."),
  })
  .nullable();

const Counts = z.strictObject({
  open: z.number(),
  update: z.number(),
  notification: z.number(),
  keepalive: z.number(),
  "route-refresh": z.number(),
});

const BfdSession = z.strictObject({
  state: z.string(),
  diagnostic: z.string().describe("Why the session is as it is."),
  remoteState: z.string(),
  remoteDiagnostic: z.string(),
  local: z.string().nullable(),
  multihop: z.boolean(),
  transmitMillis: z.number().nullable().describe("Interval of our packets before jitter."),
  detectionMillis: z.number().describe("How long the peer may be silent."),
  packetsSent: z.number(),
  packetsReceived: z.number(),
  lossCount: z.number().describe("Times that the session was up and went away."),
});

const bothWays = <T extends z.ZodType>(of: T) => z.strictObject({ sent: of, received: of });

const Peer = z.strictObject({
  name: z.string(),
  address: z.string(),
  port: z.number(),
  asn: z.union([z.number(), z.enum(["external", "internal"])]),
  state: z.enum(["idle", "connect", "active", "open-sent", "open-confirm", "established"]),
  sinceSeconds: z.number().describe("Seconds since the state was entered."),
  families: z.array(z.string()).describe("Address families negotiated with the peer."),
  prefixesSent: z.number().describe("Prefixes that the peer has been told and that are not withdrawn."),
  prefixesReceived: z.number(),
  holdTimeSeconds: z.number().nullable(),
  localAddress: z.string().nullable(),
  establishedCount: z.number().describe("How often the session has come up since the daemon started."),
  notAnnounced: z.array(z.strictObject({ family: z.string(), reason: z.string() })),
  lastError: z
    .strictObject({ message: z.string(), at: z.string(), direction: z.enum(["sent", "received", "transport"]) })
    .nullable(),
  diagnosis: z
    .strictObject({
      cause: z.string().describe("Name of what is wrong."),
      problem: z.string(),
      fix: z.string().describe("What would end it."),
    })
    .nullable()
    .describe("What is wrong with the session; null when nothing is known to be."),
  dynamic: z.boolean().describe("Not configured by its address, but one of a range."),
  withheld: z.string().nullable().describe("Why no session is tried for, though one is configured."),
  importPolicy: z
    .string()
    .describe("What is done with the routes of the peer; without a policy nothing is accepted (RFC 8212)."),
  exportPolicy: z.string().describe("What is done with our routes."),
  prefixesRefused: z.number().describe("Announced by the peer beyond its limit, and not stored."),
  prefixesStale: z.number().describe("Received, and kept while the peer is away or tells its routes again."),
  prefixesUnusable: z.number().describe("Received, and not to be used."),
  unusableReason: z.string().nullable().describe("Why, of the first of them."),
  malformedUpdates: z.number().describe("UPDATEs with faults that kept the session (RFC 7606)."),
  malformedAttributes: z.record(z.string(), z.number()).describe("Their faults, by type of the attribute."),
  malformedWithdrawn: z.number().describe("Of these: those whose routes were taken for withdrawn."),
  malformedLast: z
    .strictObject({ at: z.string(), prefixes: z.array(z.string()), reason: z.string() })
    .nullable()
    .describe("The latest routes that are gone because of one, until the peer announces them well."),
  bfd: z
    .strictObject({
      state: z.enum(["up", "down", "admin-down", "unknown"]).describe("What BFD says of the path to the peer."),
      session: BfdSession.nullable(),
    })
    .nullable()
    .describe("Null when no BFD is configured for the peer."),
  agreed: z.array(z.string()).describe("What both sides agreed on; empty without a session."),
  connections: z
    .array(
      z.strictObject({
        slot: z.enum(["outgoing", "incoming"]),
        state: z.string(),
        failures: z.number().describe("Consecutive falls to Idle (ConnectRetryCounter)."),
        timers: z.array(z.strictObject({ name: z.string(), seconds: z.number().describe("Until it ends.") })),
      }),
    )
    .describe("The connection that we dial and the one that the peer dials, as far as they are there."),
  opens: bothWays(Opened).describe("The last OPENs."),
  notifications: bothWays(Notified).describe("The last NOTIFICATIONs."),
  messages: bothWays(Counts),
});

export const Vip = z.strictObject({
  owner: z.string().describe('"control-plane", or namespace/name of the Service.'),
  address: z.string().nullable().describe("Null when the Service names no address that can be served."),
  path: z.enum(["bgp", "l2", "table"]),
  announced: z.boolean().describe("Whether this node announces it."),
  holder: z.string().nullable().describe("Holder of the Lease that decides who announces; null without election."),
  lease: z.string().nullable(),
  gates: z.array(Gate),
});

const Lease = z.strictObject({
  lease: z.string(),
  purpose: z.enum(["control-plane", "services", "service", "member", "pools"]),
  holder: z.string().nullable(),
  isHolder: z.boolean(),
  stands: z.boolean().describe("Whether this node stands for the Lease."),
  error: z.string().nullable(),
  sameIdentity: z.boolean().describe("Another daemon renews it under this node's name."),
});

/** Forms of a peer's recording: JSON Lines, and RFC 6396. */
export const RECORDING_FORMATS = ["jsonl", "mrt"] as const;
export type RecordingFormat = (typeof RECORDING_FORMATS)[number];

export const StatusReport = z.strictObject({
  version: z.string(),
  node: z.string(),
  mode: z.enum(["bgp", "arp", "auto", "table"]),
  role: z.string().describe("What this node does at the moment, in a few words."),
  healthy: z.boolean().describe("False when something is not as it should be; `problems` says what."),
  problems: z.array(z.string()),
  startedAt: z.string(),
  uptimeSeconds: z.number(),
  fallback: z.boolean().describe("Mode auto: ARP and NDP stand in for BGP."),
  routeTable: z
    .strictObject({ table: z.number(), protocol: z.number(), type: z.string() })
    .nullable()
    .describe("Mode table: where the routes of VIPs are, for a routing daemon to read; null in other modes."),
  kubernetes: z.strictObject({
    server: z.string(),
    synced: z.boolean(),
    error: z.string().nullable(),
    services: z.number(),
    endpointSlices: z.number(),
    nodes: z.number(),
  }),
  apiServerProbe: z.strictObject({ state: z.enum(["off", "pending", "ready", "failed"]), detail: z.string() }),
  peers: z.array(Peer),
  vips: z.array(Vip),
  leases: z.array(Lease),
  addresses: z.array(z.strictObject({ address: z.string(), interface: z.string() })).describe("VIPs on interfaces."),
  backends: z
    .array(z.strictObject({ node: z.string(), address: z.string(), state: z.string(), detail: z.string() }))
    .describe("API servers that connections to the control-plane VIP are spread over; empty without a balancer."),
  pools: z
    .array(
      z.strictObject({
        pool: z.string().describe("Key of the ConfigMap."),
        family: z.string(),
        used: z.number(),
        size: z.number().describe("Addresses that can be given; of IPv6 not exact."),
      }),
    )
    .describe("Address pools, on the node that gives addresses from them."),
  warnings: z.array(z.string()).describe("What the configuration has that is not used."),
});

export type StatusReport = z.output<typeof StatusReport>;
export type PeerReport = StatusReport["peers"][number];
export type VipReport = StatusReport["vips"][number];
