import { enhancedRouteRefresh, extendedMessages, extendedNextHop, role } from "./capabilities.ts";
import { communities, extendedCommunities, largeCommunities } from "./communities.ts";
import type { Feature } from "./feature.ts";
import { bfd } from "./liveness.ts";
import { gracefulRestart, gracefulRestartHelper, gracefulShutdown } from "./restart.ts";
import {
  bothFamilies,
  fourOctetAs,
  gtsm,
  holdExpiry,
  md5,
  notificationText,
  passive,
  routeRefresh,
  twoOctetAs,
} from "./session.ts";
import { unnumbered } from "./unnumbered.ts";

/** The rows of the table, in its order. */
export const FEATURES: readonly Feature[] = [
  bothFamilies,
  passive,
  fourOctetAs,
  twoOctetAs,
  md5,
  gtsm,
  communities,
  largeCommunities,
  extendedCommunities,
  routeRefresh,
  enhancedRouteRefresh,
  extendedMessages,
  extendedNextHop,
  role,
  gracefulRestart,
  gracefulRestartHelper,
  gracefulShutdown,
  holdExpiry,
  notificationText,
  bfd,
  unnumbered,
];
