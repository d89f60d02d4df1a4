import type { IpAddress } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import type { RouteAttributes } from "./route-attributes.ts";

/** What one peer is told of the desired routes: the first rule that matches decides, and without one `otherwise`. */
export interface ExportPolicy {
  readonly rules: readonly ExportRule[];
  readonly otherwise: "announce" | "refuse";
}

export interface ExportRule {
  /** Prefixes within any of these; absent: all. */
  readonly prefixes?: readonly Prefix[];
  /** Routes that carry any of these tags of the caller (`RouteAttributes.tags`); absent: all. */
  readonly tags?: readonly string[];
  readonly action: "announce" | "refuse";
  /**
   * Communities are added to those of the route, of which none is ever removed (RFC 8642 §4); a number replaces the
   * route's; a next hop replaces the session's for routes that can have it.
   */
  readonly set?: Omit<RouteAttributes, "tags"> & { readonly nextHop?: IpAddress };
}

/** Which received routes may be used. */
export interface ImportPolicy {
  /** Prefixes within any of these are accepted, all others are kept and unusable. */
  readonly accept: readonly { readonly within: Prefix; readonly lengthMax: number }[];
  /** RFC 8326: a route with GRACEFUL_SHUTDOWN gets local preference 0. */
  readonly honourGracefulShutdown: boolean;
}

/** What is done about more received routes of one family than `count`. */
export interface PrefixLimit {
  readonly count: number;
  /** `drop`: those beyond are not stored. `cease`: the session is to be closed with 6/1 (RFC 4486 §4). */
  readonly action: "drop" | "cease";
}
