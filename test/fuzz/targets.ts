import { BFD_TARGETS } from "./bfd-targets.ts";
import { BGP_TARGETS } from "./bgp-targets.ts";
import { LINK_TARGETS } from "./link-targets.ts";
import type { FuzzTarget } from "./target.ts";

/**
 * Every decoder that reads what others send. A decoder is added by a list of its targets here; see `FuzzTarget` for
 * what one consists of.
 */
export const TARGETS: readonly FuzzTarget[] = [...BGP_TARGETS, ...BFD_TARGETS, ...LINK_TARGETS];
