/**
 * How rules of nftables read the header of a packet: where source and destination stand, and how many registers an
 * address takes.
 */
export const IP_HEADER = {
  4: { field: "ipv4_addr", nfproto: 2, source: 12, destination: 16, length: 4, registers: 1 },
  6: { field: "ipv6_addr", nfproto: 10, source: 8, destination: 24, length: 16, registers: 4 },
} as const;
