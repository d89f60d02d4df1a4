import type { Scenario } from "../scenario.ts";
import { apiServerLoss } from "./api-server-loss.ts";
import { arp } from "./arp.ts";
import { arpFailover } from "./arp-failover.ts";
import { balancer } from "./balancer.ts";
import { bfdNodeLoss } from "./bfd-node-loss.ts";
import { daemonUpgrade } from "./daemon-upgrade.ts";
import { fallback } from "./fallback.ts";
import { flappingPeer } from "./flapping-peer.ts";
import { leaderLoss } from "./leader-loss.ts";
import { md5Rollover } from "./md5-rollover.ts";
import { mixedRack } from "./mixed-rack.ts";
import { nodeAnnotations } from "./node-annotations.ts";
import { nodeLoss } from "./node-loss.ts";
import { nodePeers } from "./node-peers.ts";
import { routerRestart } from "./router-restart.ts";
import { rollingUpdate } from "./rolling-update.ts";
import { scale } from "./scale.ts";
import { serviceLifecycle } from "./service-lifecycle.ts";
import { sigkillLoop } from "./sigkill-loop.ts";
import { split } from "./split.ts";
import { splitSpread } from "./split-spread.ts";
import { tableMode } from "./table-mode.ts";
import { tour } from "./tour.ts";

export const SCENARIOS: readonly Scenario[] = [
  tour,
  nodeLoss,
  leaderLoss,
  apiServerLoss,
  arp,
  fallback,
  serviceLifecycle,
  rollingUpdate,
  routerRestart,
  daemonUpgrade,
  bfdNodeLoss,
  md5Rollover,
  flappingPeer,
  nodePeers,
  nodeAnnotations,
  arpFailover,
  balancer,
  split,
  splitSpread,
  mixedRack,
  sigkillLoop,
  scale,
  tableMode,
];
