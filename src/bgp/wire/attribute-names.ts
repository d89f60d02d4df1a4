/** IANA "BGP Path Attributes", those that are or were in use; the others are shown by number. */
const NAMES: Readonly<Record<number, string>> = {
  1: "ORIGIN",
  2: "AS_PATH",
  3: "NEXT_HOP",
  4: "MULTI_EXIT_DISC",
  5: "LOCAL_PREF",
  6: "ATOMIC_AGGREGATE",
  7: "AGGREGATOR",
  8: "COMMUNITIES",
  9: "ORIGINATOR_ID",
  10: "CLUSTER_LIST",
  14: "MP_REACH_NLRI",
  15: "MP_UNREACH_NLRI",
  16: "EXTENDED COMMUNITIES",
  17: "AS4_PATH",
  18: "AS4_AGGREGATOR",
  22: "PMSI_TUNNEL",
  23: "TUNNEL_ENCAPSULATION",
  24: "TRAFFIC ENGINEERING",
  25: "IPV6 EXTENDED COMMUNITIES",
  26: "AIGP",
  27: "PE DISTINGUISHER LABELS",
  29: "BGP-LS",
  32: "LARGE COMMUNITIES",
  33: "BGPSEC_PATH",
  35: "ONLY_TO_CUSTOMER",
  37: "SFP",
  40: "PREFIX-SID",
  128: "ATTR_SET",
};

/** The registry's name of a path attribute, "attribute 99" where it has none. */
export const attributeName = (code: number | undefined): string => NAMES[code ?? -1] ?? `attribute ${code ?? "?"}`;
