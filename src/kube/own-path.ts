import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { type IpAddress, parseIp } from "../addr/ip.ts";

/**
 * The way to the API server of a daemon that brings up the address under which others reach it. That address must not
 * be on its own way: where the VIP is gone, the daemon could not ask for the Lease that brings it back; where another
 * node has it, its own Lease would be renewed by the grace of that node.
 */
export interface OwnPath {
  /** What the daemon serves. */
  readonly vips: readonly IpAddress[];
  /** Of the API server on this node. */
  readonly port: number;
}

/** The API server names itself so in every cluster's certificate; 127.0.0.1 is named by some only. */
export const API_SERVER_NAME = "kubernetes.default.svc";
const LOCAL_HOST = "127.0.0.1";

export const localServer = (port: number): string => `https://${LOCAL_HOST}:${port}`;

/** Whether a URL names a VIP outright. */
export function namesVip(server: string, { vips }: OwnPath): boolean {
  const host = URL.canParse(server) ? new URL(server).hostname.replaceAll(/[[\]]/g, "") : "";
  const address = parseIp(host);
  return address !== null && vips.includes(address);
}

/** Resolves names as ever; one that leads to a VIP leads to this node's own API server instead. */
export function lookupAround({ vips }: OwnPath, lookup: typeof systemLookup = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, "", 0);
      const leadsToVip = found.some(({ address }) => vips.some((vip) => vip === parseIp(address)));
      const around = leadsToVip ? [{ address: LOCAL_HOST, family: 4 }] : found;
      if (options.all === true) return callback(null, around);
      return callback(null, around[0]!.address, around[0]!.family);
    });
  };
}
