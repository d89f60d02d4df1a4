import { controlPlaneTarget, type Lab } from "../lab.ts";
import type { Scenario } from "../scenario.ts";
import { VIPS } from "../topology.ts";
import { type HoldersWatch, whileWatched } from "./holders-watch.ts";
import { clientsNeighbour } from "./neighbour.ts";
import { arpFlags, electionEnvironment, LEASE, LEASE_FLAGS, MARGIN_MILLIS, START_BOUND_MILLIS } from "./settings.ts";
import { startDaemons } from "./stories.ts";

const TARGETS = [controlPlaneTarget("VIP v4", VIPS.onLan.v4), controlPlaneTarget("VIP v6", VIPS.onLan.v6)];
const ADDRESSES = [VIPS.onLan.v4, VIPS.onLan.v6];

/** From the address until it is heard: as the median of all takeovers, and for each of them. */
const ANNOUNCED_MILLIS = 10;
const EACH_ANNOUNCED_MILLIS = 50;
/** A stopped holder releases the Lease; the others hear of it at once, or look within their next retry. */
const HANDOVER_BOUND_MILLIS = 2.2 * LEASE.retryPeriodSeconds * 1000 + MARGIN_MILLIS;

export const arpFailover: Scenario = {
  name: "arp-failover",
  summary: "elected VIP on a segment: how soon a new holder is heard, and that the old one is silent",
  clientOnLan: true,
  routers: ["embedded"],
  kubes: ["embedded"],
  scenarios: ["G2"],
  manifestFlags: [...arpFlags(), ...LEASE_FLAGS],
  environment: { ...electionEnvironment, vip_arpRate: "500" },
  play: (lab) => whileWatched(lab, ADDRESSES, story, (watch) => watch.expectOneHolder()),
};

async function story(lab: Lab, watch: HoldersWatch): Promise<void> {
  const { rack } = lab;
  const started = await startDaemons(lab);
  await lab.within("a first node has the VIP", START_BOUND_MILLIS, () => watch.eachOnOne(), started);
  lab.aim(TARGETS);
  for (const target of TARGETS) await lab.reached(target, watch.on(VIPS.onLan.v4), 3_000);

  const delays = new Map<string, number[]>(ADDRESSES.map((address) => [address, []]));
  for (let round = 0; round < (lab.brief ? 3 : 9); round++) {
    const before = watch.on(VIPS.onLan.v4);
    const since = lab.step(`the daemon on ${before}, which has the VIP, is stopped`);
    const { code } = await rack.node(before).stopDaemon();
    lab.expect(`${before}: exit code`, code ?? "none", "", { equals: 0 });
    await lab.within("another node has the VIP", HANDOVER_BOUND_MILLIS, () => watch.eachOnOne([before]), since);
    const after = watch.on(VIPS.onLan.v4);
    for (const address of ADDRESSES) {
      await lab.within(
        `the client's entry of ${address} is ${after}`,
        HANDOVER_BOUND_MILLIS,
        async () => {
          const entry = await clientsNeighbour(lab, address);
          return entry === after || entry;
        },
        since,
      );
      const delay = watch.announcementMillis(address, after, since);
      lab.expect(`${after}: ${address} until it is heard`, delay, "ms", { atMost: EACH_ANNOUNCED_MILLIS });
      if (delay !== null) delays.get(address)!.push(delay);
    }
    for (const target of TARGETS) await lab.reached(target, after, 2_000);
    rack.node(before).startDaemon();
    await lab.within(`${before} is back`, START_BOUND_MILLIS, async () => {
      return (await rack.node(before).status()) !== null || "it does not answer yet";
    });
  }
  for (const [address, all] of delays) {
    const sorted = all.toSorted((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? null;
    lab.expect(`${address} until it is heard, median`, median, "ms", { atMost: ANNOUNCED_MILLIS });
  }
}
