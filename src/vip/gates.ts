import { Commons } from "../base/commons.ts";

/**
 * Why a VIP is or is not announced from this node. Gates are asked in order; the first that is closed decides, and
 * those behind it say what they would have said, so one reading shows everything that stands in the way.
 */
export type GateName =
  | "type"
  | "namespace"
  | "ignored"
  | "class"
  | "address"
  | "attributes"
  | "api-server"
  | "endpoints"
  | "node"
  | "election"
  | "interface"
  | "firewall"
  | "session"
  | "route"
  | "fallback";

export interface Gate {
  readonly gate: GateName;
  readonly open: boolean;
  /** The fact that decided, naming the object and the field where there is one. */
  readonly fact: string;
  /** What would open a closed gate. */
  readonly hint?: string;
}

export const open = (gate: GateName, fact: string): Gate => ({ gate, open: true, fact });

const commonGates = new Commons<Gate>();

/** As `open`, for what thousands of VIPs are told alike: they share one object. */
export const openAlike = (gate: GateName, fact: string): Gate =>
  commonGates.take(`${gate} ${fact}`, () => open(gate, fact));

export const closed = (gate: GateName, fact: string, hint: string): Gate => ({ gate, open: false, fact, hint });

export const firstClosed = (gates: readonly Gate[]): Gate | null => gates.find((gate) => !gate.open) ?? null;
