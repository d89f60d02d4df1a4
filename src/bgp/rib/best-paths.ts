import { compareIp, type IpAddress, type Ipv4 } from "../../addr/ip.ts";
import type { Asn } from "../wire/asn.ts";
import { COMMUNITY } from "./communities.ts";
import type { ReceivedRoute } from "./received-route.ts";

/** A route with what has to be known of the peer that it comes from. All candidates are for one prefix. */
export interface Candidate {
  readonly route: ReceivedRoute;
  /** The peer is in another AS. */
  readonly external: boolean;
  readonly peerIdentifier: Ipv4;
  readonly peerAddress: IpAddress;
  /** Cost of the way to the next hop; 0 when absent: all of them are neighbours then. */
  readonly metric?: number;
}

export interface Selection {
  /** Compared within each neighbouring AS by default, `always` between them, too; `ignore` takes no notice of it. */
  readonly med?: "by-neighbour" | "always" | "ignore";
  /**
   * Which paths share the traffic with the best one: none, those with the same AS_PATH, or (relaxed) those with an
   * AS_PATH of the same length.
   */
  readonly multipath?: "none" | "equal" | "relaxed";
  /** The best path until now stays it when only identifiers or addresses speak against it (RFC 5004). */
  readonly present?: Candidate | null;
}

/** A step of the choice: its survivors, never none. */
type Step = (candidates: readonly Candidate[]) => readonly Candidate[];

/**
 * The decision process (RFC 4271 §9.1.2.2): the best path first, then those that share the traffic with it, in the order
 * of their peers' addresses. Unusable routes are none of them; empty when nothing is left.
 */
export function bestPaths(candidates: readonly Candidate[], selection: Selection = {}): readonly Candidate[] {
  const usable = candidates.filter(({ route }) => route.unusable === null);
  if (usable.length === 0) return [];
  const equals = narrow(usable, [
    least(({ route }) => (isLastResort(route) ? 1 : 0)), // RFC 9494 §4.3
    least(({ route }) => -route.preference),
    least(({ route }) => route.asPath.length),
    least(({ route }) => route.origin),
    MED_STEP[selection.med ?? "by-neighbour"],
    least(({ external }) => (external ? 0 : 1)),
    least(({ metric = 0 }) => metric),
  ]);
  const best = present(equals, selection) ?? narrow(equals, TIE_BREAKERS)[0]!;
  const { multipath = "none" } = selection;
  if (multipath === "none") return [best];
  const path = best.route.asPath.join();
  const others = equals.filter((one) => one !== best && (multipath === "relaxed" || one.route.asPath.join() === path));
  return [best, ...others.toSorted((a, b) => compareIp(a.peerAddress, b.peerAddress))];
}

const isLastResort = ({ stale, communities }: ReceivedRoute): boolean =>
  stale === "long-lived" || communities.includes(COMMUNITY.llgrStale);

const medOf = ({ route }: Candidate): number => route.med ?? 0;

/** Of each neighbouring AS, only those with its least MED: the MEDs of two ASes do not compare (§9.1.2.2 c). */
const leastMedByNeighbour: Step = (candidates) => {
  const neighbourOf = ({ route }: Candidate): Asn | undefined => route.asPath[0];
  const lowest = new Map<Asn | undefined, number>();
  for (const one of candidates) {
    lowest.set(neighbourOf(one), Math.min(medOf(one), lowest.get(neighbourOf(one)) ?? Infinity));
  }
  return candidates.filter((one) => medOf(one) === lowest.get(neighbourOf(one)));
};

const MED_STEP: Readonly<Record<NonNullable<Selection["med"]>, Step>> = {
  "by-neighbour": leastMedByNeighbour,
  always: least(medOf),
  ignore: (candidates) => candidates,
};

/** What makes it one: nothing of this says that a path is better. */
const TIE_BREAKERS: readonly Step[] = [
  leastAddress(({ route, peerIdentifier }) => route.originatorId ?? peerIdentifier),
  least(({ route }) => route.clusterList?.length ?? 0), // RFC 4456 §9
  leastAddress(({ peerAddress }) => peerAddress),
  least(({ route }) => route.pathId ?? 0),
];

function present(equals: readonly Candidate[], { present }: Selection): Candidate | null {
  if (!present?.external) return null;
  const isSame = (one: Candidate): boolean =>
    one.peerAddress === present.peerAddress && one.route.pathId === present.route.pathId;
  return equals.every(({ external }) => external) ? (equals.find(isSame) ?? null) : null;
}

function narrow(candidates: readonly Candidate[], steps: readonly Step[]): readonly Candidate[] {
  let left = candidates;
  for (const step of steps) if (left.length > 1) left = step(left);
  return left;
}

function least(of: (candidate: Candidate) => number): Step {
  return (candidates) => {
    const lowest = candidates.reduce((min, one) => Math.min(min, of(one)), Infinity);
    return candidates.filter((one) => of(one) === lowest);
  };
}

function leastAddress(of: (candidate: Candidate) => IpAddress): Step {
  return (candidates) => {
    const lowest = candidates.map(of).reduce((min, one) => (compareIp(one, min) < 0 ? one : min));
    return candidates.filter((one) => of(one) === lowest);
  };
}
