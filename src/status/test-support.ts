import type { PeerReport } from "./report.ts";

const NO_MESSAGES = { open: 0, update: 0, notification: 0, keepalive: 0, "route-refresh": 0 } as const;

/** A peer without a session of which nothing is known but its configuration. */
export const IDLE_PEER: PeerReport = {
  name: "r1",
  address: "10.0.0.254",
  port: 179,
  asn: 65_000,
  state: "idle",
  sinceSeconds: 125,
  families: [],
  prefixesSent: 0,
  prefixesReceived: 0,
  holdTimeSeconds: null,
  localAddress: null,
  establishedCount: 0,
  notAnnounced: [],
  lastError: null,
  diagnosis: null,
  dynamic: false,
  withheld: null,
  importPolicy: "no policy: nothing is accepted (RFC 8212)",
  exportPolicy: "everything that is announced here",
  prefixesRefused: 0,
  prefixesStale: 0,
  prefixesUnusable: 0,
  unusableReason: null,
  malformedUpdates: 0,
  malformedAttributes: {},
  malformedWithdrawn: 0,
  malformedLast: null,
  bfd: null,
  agreed: [],
  connections: [],
  opens: { sent: null, received: null },
  notifications: { sent: null, received: null },
  messages: { sent: NO_MESSAGES, received: NO_MESSAGES },
};

/** The same with a session. */
export const ESTABLISHED_PEER: PeerReport = {
  ...IDLE_PEER,
  state: "established",
  families: ["ipv4-unicast"],
  prefixesSent: 1,
  holdTimeSeconds: 9,
  localAddress: "10.0.0.1",
  establishedCount: 1,
  agreed: ["external", "four-octet AS numbers", "route refresh"],
  connections: [{ slot: "outgoing", state: "established", failures: 0, timers: [{ name: "HoldTimer", seconds: 8.2 }] }],
  opens: {
    sent: null,
    received: {
      at: "2026-01-01T00:00:00.000Z",
      asn: 65_000,
      identifier: "10.0.0.254",
      holdTimeSeconds: 90,
      capabilities: ["multiprotocol ipv4-unicast", "graceful-restart 120s (ipv4-unicast forwarding)"],
      hex: "04fde8005a0a0000fe00",
    },
  },
};
