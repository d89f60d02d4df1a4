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
});

const Vip = z.strictObject({
  owner: z.string().describe('"control-plane", or namespace/name of the Service.'),
  address: z.string().nullable().describe("Null when the Service names no address that can be served."),
  path: z.enum(["bgp", "l2"]),
  announced: z.boolean().describe("Whether this node announces it."),
  holder: z.string().nullable().describe("Holder of the Lease that decides who announces; null without election."),
  lease: z.string().nullable(),
  gates: z.array(Gate),
});

const Lease = z.strictObject({
  lease: z.string(),
  purpose: z.enum(["control-plane", "services", "service"]),
  holder: z.string().nullable(),
  isHolder: z.boolean(),
  stands: z.boolean().describe("Whether this node stands for the Lease."),
  error: z.string().nullable(),
});

export const StatusReport = z.strictObject({
  version: z.string(),
  node: z.string(),
  mode: z.enum(["bgp", "arp", "auto"]),
  role: z.string().describe("What this node does at the moment, in a few words."),
  healthy: z.boolean().describe("False when something is not as it should be; `problems` says what."),
  problems: z.array(z.string()),
  startedAt: z.string(),
  uptimeSeconds: z.number(),
  fallback: z.boolean().describe("Mode auto: ARP and NDP stand in for BGP."),
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
  warnings: z.array(z.string()).describe("What the configuration has that is not used."),
});

export type StatusReport = z.output<typeof StatusReport>;
export type PeerReport = StatusReport["peers"][number];
export type VipReport = StatusReport["vips"][number];
