import type { Instant } from "../../base/time.ts";
import { diagnose } from "./diagnosis.ts";
import type { Direction } from "./message-ledger.ts";
import type { BfdState, PeerConfig, PeerStatus } from "./peer-config.ts";
import type { PeerRoutes } from "./peer-routes.ts";
import { type LocalSpeaker, withheldBecause } from "./peer-settings.ts";
import type { PeerTroubles } from "./peer-troubles.ts";
import type { Recorder } from "./recorder.ts";

/** The parts of a session that its status is made of. */
export interface StatusParts {
  readonly config: PeerConfig;
  readonly local: LocalSpeaker;
  readonly isDynamic: boolean;
  readonly state: PeerStatus["state"];
  readonly since: Instant;
  readonly establishedCount: number;
  /** The peer announced too much, and is kept away for it. */
  readonly isSuspended: boolean;
  readonly bfd: BfdState | null;
  readonly routes: PeerRoutes;
  readonly troubles: PeerTroubles;
  readonly recorder: Recorder;
}

export function statusOf(parts: StatusParts): PeerStatus {
  const { config, local, state, since, establishedCount, isSuspended, bfd, troubles } = parts;
  const { name, address, port } = config;
  const { messages } = parts.recorder;
  const routes = parts.routes.status();
  const diagnosis = diagnose({
    peer: config,
    hasMd5Key: config.md5Password !== undefined,
    localAsn: local.localAsn,
    routerId: local.routerId,
    state,
    establishedCount,
    families: routes.families,
    localAddress: routes.localAddress ?? config.localAddress ?? null,
    ...troubles.facts,
    bfd,
    heldByPrefixLimit: isSuspended,
  });
  return {
    name,
    address,
    port,
    asn: routes.negotiated?.peerAsn ?? config.asn,
    dynamic: parts.isDynamic,
    state,
    since,
    importPolicy: config.importPolicy ?? null,
    exportPolicy: config.exportPolicy ?? null,
    withheld: withheldBecause(config) ?? (isSuspended ? "it announced more prefixes than are allowed" : null),
    establishedCount,
    ...routes,
    lastError: troubles.last,
    notifications: troubles.notifications,
    messages,
    messagesReceived: messageCount(messages.received),
    messagesSent: messageCount(messages.sent),
    bfd,
    diagnosis,
  };
}

const messageCount = ({ counts }: Direction): number => Object.values(counts).reduce((sum, one) => sum + one, 0);
