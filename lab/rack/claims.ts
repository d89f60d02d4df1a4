import { LAN_INTERFACE } from "../topology.ts";
import type { Processes } from "./processes.ts";

const SCRIPT = new URL("claims-main.ts", import.meta.url).pathname;

/** Somebody says on the wire that an address is his. */
export interface WireClaim {
  /** Machine time at which the frame was taken from the socket. */
  readonly at: number;
  readonly address: string;
  readonly mac: string;
}

/** A packet capture in the namespace of a host: every ARP packet and every neighbour advertisement that it hears. */
export function captureClaims(processes: Processes, host: string, onClaim: (claim: WireClaim) => void): void {
  processes.start({
    name: `${host}-claims`,
    host,
    outlivesHost: true,
    comesFirst: true,
    argv: [process.execPath, SCRIPT, LAN_INTERFACE],
    onLine: (line) => onClaim(JSON.parse(line) as WireClaim),
  });
}
