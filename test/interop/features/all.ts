import { communities, extendedCommunities, largeCommunities } from "./communities.ts";
import type { Feature } from "./feature.ts";
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
  holdExpiry,
  notificationText,
];
