/** Rows of the table, in its order. */
export const FEATURE_NAMES = [
  "both-families",
  "passive",
  "four-octet-as",
  "two-octet-as",
  "md5",
  "gtsm",
  "communities",
  "large-communities",
  "extended-communities",
  "route-refresh",
  "graceful-restart",
  "graceful-shutdown",
  "hold-expiry",
  "notification-text",
  "bfd",
  "unnumbered",
] as const;
export type FeatureName = (typeof FEATURE_NAMES)[number];
