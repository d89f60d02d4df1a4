/**
 * Stands in for kube-vip on one node: its ARP mode with leader election for the control plane, by its documented rules.
 *
 * Elections are client-go's: it looks once per retry period (with jitter), takes a Lease whose record has not changed for
 * the duration that it is itself configured with, renews once per retry period, and gives up at the renew deadline. On
 * winning it puts the VIPs on the interface and sends one gratuitous ARP for each at a fixed rate, requests and replies
 * in turn, the first with the first tick and not before. On losing the process ends; on SIGTERM it removes the VIPs,
 * releases the Lease, and ends.
 *
 * Usage, in a node's namespace: node kube-vip-main.ts CA-FILE TOKEN-FILE and a JSON text with what `KubeVipSettings` has.
 * Ends with its standard input, too: then as when its node loses power.
 */
import { readFileSync } from "node:fs";
import { ip, ipToBytes, isIpv4 } from "../../src/addr/ip.ts";
import { BROADCAST, macToBytes } from "../../src/addr/mac.ts";
import { Netlink } from "../../src/linux/io/netlink.ts";
import { segments } from "../../src/linux/io/segment.ts";
import { machineMillis } from "../machine-time.ts";
import { Cluster, type LeaseObject } from "./cluster.ts";
import type { KubeVipSettings } from "./kube-vip.ts";

const [caFile = "", tokenFile = "", json = "{}"] = process.argv.slice(2);
const read = (path: string): string => readFileSync(path, "utf8");
const cluster = new Cluster({ socketPath: null, caPem: read(caFile), token: read(tokenFile) });
const { identity, lease, vips, interfaceName, arpRateMillis, ...times } = JSON.parse(json) as KubeVipSettings;

const JITTER = 1.2;
/** Not one of vipcast's: to it these addresses are another program's. */
const netlink = new Netlink({ addressProtocol: 77 });
const link = netlink.links().find(({ name }) => name === interfaceName);
if (!link?.mac) throw new Error(`there is no interface ${interfaceName}`);
const { index, mac } = link;
const segment = segments.open(index);

let observed: { readonly text: string; readonly at: number } | null = null;
let leading = false;
let renewedAt = 0;
let stopping = false;
let ticks = 0;

const say = (line: string): boolean => process.stdout.write(`${line}\n`);
const now = (): string => new Date().toISOString().replace("Z", "000Z");

/** client-go's tryAcquireOrRenew. @returns whether the Lease is ours */
async function tryAcquireOrRenew(): Promise<boolean> {
  const sentAt = machineMillis();
  const found = await cluster.leaseObject(lease);
  const record = found?.spec ?? {};
  const text = JSON.stringify(record);
  if (observed?.text !== text) observed = { text, at: sentAt };
  const { holderIdentity = "", leaseTransitions = 0, acquireTime = now() } = record;
  const isOurs = holderIdentity === identity;
  const isTaken = observed.at + times.durationSeconds * 1000 > machineMillis();
  if (holderIdentity !== "" && !isOurs && isTaken) return false;
  const written = await cluster.writeLease(lease, found, {
    holderIdentity: identity,
    leaseDurationSeconds: times.durationSeconds,
    acquireTime: isOurs ? acquireTime : now(),
    renewTime: now(),
    leaseTransitions: found === null || isOurs ? leaseTransitions : leaseTransitions + 1,
  });
  if (written) renewedAt = sentAt;
  return written;
}

async function round(): Promise<void> {
  if (stopping) return;
  const won = await tryAcquireOrRenew().catch(() => false);
  if (stopping) return;
  if (won && !leading) begin();
  const wait = leading ? 1 : 1 + JITTER * Math.random();
  setTimeout(() => void round(), times.retryPeriodSeconds * 1000 * wait);
}

function begin(): void {
  leading = true;
  addVips();
  say("leading");
  setInterval(announce, arpRateMillis);
  setInterval(() => {
    if (machineMillis() < renewedAt + times.renewDeadlineSeconds * 1000) return;
    removeVips();
    say("lost the Lease, restarting kube-vip");
    process.exit(1);
  }, 20);
}

function announce(): void {
  addVips();
  for (const vip of vips.map(ip)) if (isIpv4(vip)) segment.sendFrame(gratuitousArp(ipToBytes(vip), ticks % 2 === 1));
  ticks++;
}

function gratuitousArp(vip: Uint8Array, isReply: boolean): Uint8Array {
  const [own, all] = [macToBytes(mac), macToBytes(BROADCAST)];
  const header = [0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, isReply ? 2 : 1];
  return Uint8Array.from([...all, ...own, ...header, ...own, ...vip, ...(isReply ? own : all), ...vip]);
}

const placeOf = (vip: string) => ({
  interfaceIndex: index,
  address: ip(vip),
  prefixLength: vip.includes(":") ? 128 : 32,
  scopeHost: false,
});
const addVips = (): void => vips.forEach((vip) => netlink.addAddress(placeOf(vip)));
const removeVips = (): void => vips.forEach((vip) => netlink.removeAddress(placeOf(vip)));

async function stop(): Promise<void> {
  stopping = true;
  if (leading) {
    removeVips();
    const found: LeaseObject | null = await cluster.leaseObject(lease);
    const leaseTransitions = found?.spec.leaseTransitions ?? 0;
    if (found?.spec.holderIdentity === identity) {
      const empty = { holderIdentity: "", leaseDurationSeconds: 1, acquireTime: now(), renewTime: now() };
      await cluster.writeLease(lease, found, { ...empty, leaseTransitions });
    }
  }
  process.exit(0);
}

process.on("SIGTERM", () => void stop());
process.stdin.on("end", () => process.exit(0)).resume();
say("started");
void round();
