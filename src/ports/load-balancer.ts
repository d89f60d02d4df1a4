import type { IpAddress } from "../addr/ip.ts";

export type BalancerAlgorithm = "round-robin" | "random" | "source-hash";

/** Where new connections to one address and port go. */
export interface BalancedService {
  readonly address: IpAddress;
  readonly port: number;
  /** Of the address's family; at least one. */
  readonly backends: readonly { readonly address: IpAddress; readonly port: number }[];
  readonly algorithm: BalancerAlgorithm;
}

/** Spreads new connections in the kernel. Both throw `NetlinkRefused`, and leave what was there as it was. */
export interface LoadBalancer {
  /** All at once in the place of what was there; connections that are established are not touched. */
  replace(services: readonly BalancedService[]): void;
  /** No error when nothing is there. */
  remove(): void;
  /** Whether what `replace` made may have been taken away by somebody else. */
  isGone(): boolean;
  close(): void;
}
