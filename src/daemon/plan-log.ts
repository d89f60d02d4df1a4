import type { Logger } from "pino";
import { emit } from "../telemetry/events.ts";
import { firstClosed } from "../vip/gates.ts";
import type { Plan, VipPlan } from "../vip/plan.ts";
import type { ProbeFact } from "../vip/snapshot.ts";

interface Circumstances {
  /** The daemon is stopping, and what every node announces stays. */
  readonly keeping: boolean;
  /** Null without a probe. */
  readonly probe: ProbeFact | null;
  /** How much there is of each kind; null until all first lists are in. */
  readonly synced: object | null;
}

/** Says what changes from one plan to the next. */
export class PlanLog {
  readonly #log: Logger;
  /** The last that was said: one that was given up is none. */
  #before: Plan;
  #saidSynced = false;
  #probeState = "";

  /** @param before  what the first plan is compared with */
  constructor(log: Logger, before: Plan) {
    this.#log = log;
    this.#before = before;
  }

  /** One line for each thing that an operator would want to find in the log afterwards. */
  say(next: Plan, { keeping, probe, synced }: Circumstances): void {
    const log = this.#log;
    const before = this.#before;
    this.#before = next;
    // A plan shares with the one before what has not changed.
    const { old, young } = difference(before.vips, next.vips);
    const had = new Map(old.map((vip) => [nameOf(vip), vip]));
    for (const vip of young) {
      const was = had.get(nameOf(vip));
      had.delete(nameOf(vip));
      const { owner, address, path } = vip;
      const gate = firstClosed(vip.gates);
      // The sessions of a stop that keeps the routes end, too, and nothing is withdrawn by that.
      if (keeping && gate?.gate === "session") continue;
      if (vip.announced && !was?.announced) {
        emit(log, "vip.announced", { owner, address, path }, "VIP announced");
      } else if (!vip.announced && was?.announced) {
        emit(log, "vip.withdrawn", { owner, address, path, gate: gate?.gate, reason: gate?.fact }, "VIP withdrawn");
      } else if (gate?.gate === "address" && !was) {
        emit(log, "vip.refused", { owner, reason: gate.fact }, "VIP refused");
      }
    }
    const place = ({ owner, address }: VipPlan): string => `${owner} ${address}`;
    const gone = [...had.values()].filter((vip) => vip.announced);
    const reached = new Set(gone.length > 0 ? next.vips.filter((vip) => vip.announced).map(place) : []);
    for (const vip of gone) {
      const { owner, address, path } = vip;
      const reason = reached.has(place(vip)) ? "reached by another path now" : "no longer asked for";
      emit(log, "vip.withdrawn", { owner, address, path, gate: null, reason }, "VIP withdrawn");
    }
    if (next.fallback && !before.fallback) emit(log, "fallback.started", {}, "no BGP session: ARP and NDP stand in");
    if (!next.fallback && before.fallback) emit(log, "fallback.ended", {}, "BGP has the VIPs again");
    if (probe && probe.state !== this.#probeState) {
      this.#probeState = probe.state;
      emit(log, "probe.changed", { ...probe }, "API server probe");
    }
    if (synced !== null && !this.#saidSynced) {
      this.#saidSynced = true;
      emit(log, "kube.synced", synced, "first lists are in");
    }
  }
}

/** What is refused has no address; the gate at the end says which word of the Service it is. */
const wordOf = (vip: VipPlan): string | undefined => vip.address ?? vip.gates.at(-1)?.fact;
const nameOf = (vip: VipPlan): string => `${vip.owner} ${wordOf(vip)} ${vip.path}`;

interface Difference {
  readonly old: readonly VipPlan[];
  readonly young: readonly VipPlan[];
}

/** The VIPs in which two plans differ, and perhaps some in which they do not. */
function difference(before: readonly VipPlan[], next: readonly VipPlan[]): Difference {
  const shorter = Math.min(before.length, next.length);
  let start = 0;
  while (start < shorter && before[start] === next[start]) start++;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === next[next.length - 1 - end]) end++;
  const [old, young] = [before, next].map((vips) => vips.slice(start, vips.length - end)) as [VipPlan[], VipPlan[]];
  if (old.length !== young.length) return { old, young };
  // As many as before: each is likely to be where it was.
  return { old: old.filter((vip, at) => vip !== young[at]), young: young.filter((vip, at) => vip !== old[at]) };
}
