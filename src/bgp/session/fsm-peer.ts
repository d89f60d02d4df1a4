import type { Ipv4 } from "../../addr/ip.ts";
import type { FsmPeer } from "../fsm/negotiation.ts";
import type { Asn } from "../wire/asn.ts";
import type { PeerConfig } from "./peer-config.ts";

/** What the state machine needs of a peer's configuration, with the defaults of what it leaves out. */
export const fsmPeerOf = (config: PeerConfig, local: { readonly localAsn: Asn; readonly routerId: Ipv4 }): FsmPeer => ({
  localAsn: local.localAsn,
  peerAsn: config.asn,
  identifier: local.routerId,
  holdTimeSeconds: config.holdTimeSeconds,
  holdTimeSecondsMin: config.holdTimeSecondsMin ?? 3,
  keepaliveSeconds: config.keepaliveSeconds ?? null,
  connectRetrySeconds: config.connectRetrySeconds,
  delayOpenSeconds: config.delayOpenSeconds ?? 0,
  sendHoldTimeSeconds: config.sendHoldTimeSeconds ?? null,
  idleHoldSecondsMax: config.idleHoldSecondsMax ?? 30,
  passive: config.passive,
  families: config.families,
  requiredFamilies: config.requiredFamilies ?? [],
  extendedNextHop: config.extendedNextHop ?? false,
  addPathReceive: config.addPathReceive ?? false,
  role: config.role ?? null,
  strictRole: config.strictRole ?? false,
  gracefulRestart: config.gracefulRestart ?? null,
  bfdStrict: config.bfdStrict ?? false,
});
