import type { Scenario } from "../scenario.ts";
import { apiServerLoss } from "./api-server-loss.ts";
import { arp } from "./arp.ts";
import { fallback } from "./fallback.ts";
import { leaderLoss } from "./leader-loss.ts";
import { nodeLoss } from "./node-loss.ts";
import { serviceLifecycle } from "./service-lifecycle.ts";
import { tour } from "./tour.ts";

export const SCENARIOS: readonly Scenario[] = [
  tour,
  nodeLoss,
  leaderLoss,
  apiServerLoss,
  arp,
  fallback,
  serviceLifecycle,
];
