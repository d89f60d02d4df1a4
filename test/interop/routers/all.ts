import type { RouterKind } from "../router.ts";
import { bird } from "./bird.ts";
import { exabgp } from "./exabgp.ts";
import { frr } from "./frr.ts";
import { gobgp } from "./gobgp.ts";
import { openbgpd } from "./openbgpd.ts";

/** The columns of the table, in its order. */
export const ROUTERS: readonly RouterKind[] = [frr, bird, gobgp, openbgpd, exabgp];
