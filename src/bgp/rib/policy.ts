import type { IpAddress } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import type { RouteAttributes } from "./adj-rib-out.ts";

/** What one peer is told of the desired routes: the first rule that matches decides, and without one `otherwise`. */
export interface ExportPolicy {
  readonly rules: readonly ExportRule[];
  readonly otherwise: "announce" | "refuse";
}

interface ExportRule {
  /** Prefixes within any of these; absent: all. */
  readonly prefixes?: readonly Prefix[];
  /** Routes that carry any of these tags of the caller (`RouteAttributes.tags`); absent: all. */
  readonly tags?: readonly string[];
  readonly action: "announce" | "refuse";
  /** Added to what the route has itself; a number or a next hop replaces the route's. */
  readonly set?: Partial<RouteAttributes> & { readonly nextHop?: IpAddress };
}

/** Which received routes may be used. */
export interface ImportPolicy {
  /** Prefixes within any of these are accepted, all others are kept and unusable. */
  readonly accept: readonly { readonly within: Prefix; readonly lengthMax: number }[];
  /** RFC 8326: a route with GRACEFUL_SHUTDOWN gets local preference 0. */
  readonly honourGracefulShutdown: boolean;
}
