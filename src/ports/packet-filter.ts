import type { IpAddress } from "../addr/ip.ts";
import type { Prefix } from "../addr/prefix.ts";

/** One port of an address; `protocol` as Kubernetes writes it. */
export interface FilteredPort {
  readonly address: IpAddress;
  readonly protocol: string;
  readonly port: number;
}

export interface FilterRules {
  /** Addresses of which only the `open` ports are reached. */
  readonly guarded: readonly IpAddress[];
  readonly open: readonly FilteredPort[];
  /** Ports that are reached from their sources only. */
  readonly restricted: readonly (FilteredPort & { readonly sources: readonly Prefix[] })[];
}

/** What may reach addresses of this machine. Both throw `NetlinkRefused`, and leave what was there as it was. */
export interface PacketFilter {
  /** Puts these rules, all at once, in the place of those before. */
  replace(rules: FilterRules): void;
  /** Takes all away; no error when nothing is there. */
  remove(): void;
  /** Whether what `replace` made may have been taken away by somebody else. */
  isGone(): boolean;
  close(): void;
}
