import type { Logger } from "pino";
import type { IpAddress } from "../addr/ip.ts";
import type { Prefix } from "../addr/prefix.ts";
import type { Instant } from "../base/time.ts";
import type { BfdSessionStatus } from "../bfd/session/session-config.ts";
import type { Recorder } from "../bgp/session/recorder.ts";
import type { PeerStatus, PeerSummary, ToldPeer } from "../bgp/session/speaker.ts";
import type { Clock } from "../ports/clock.ts";
import type { KernelNetwork, Link } from "../ports/network.ts";
import type { BackendFact } from "../vip/balancer.ts";
import type { EndpointSliceFact, NodeFact, ServiceFact } from "../vip/facts.ts";
import type { Plan } from "../vip/plan.ts";
import type { ServiceNotice } from "../vip/service-notices.ts";
import type { MembersFact, Policy, ProbeFact } from "../vip/snapshot.ts";
import type { Elections } from "./elections.ts";
import type { PoolsStatus } from "./pools.ts";
import type { RouteConverger } from "./route-converger.ts";

/** One watched kind, reduced to facts. */
export interface Cache<F> {
  readonly facts: ReadonlyMap<string, F>;
  readonly synced: boolean;
  /** Why the facts are not followed at the moment; null while they are. */
  readonly lastError: string | null;
}

export interface NodeParts {
  readonly policy: Policy;
  readonly clock: Clock;
  readonly log: Logger;
  readonly network: KernelNetwork;
  readonly server: string;
  readonly services: Cache<ServiceFact> | null;
  /** `version`: how often the facts have changed. */
  readonly slices: (Cache<EndpointSliceFact> & { readonly version: number }) | null;
  readonly nodes: Cache<NodeFact>;
  readonly elections: Elections;
  /** Whether elected addresses expire in the kernel when they are not extended; no when left out. */
  readonly lendsAddresses?: boolean;
  /** Absent where Services are not spread over members. */
  readonly membership?: { readonly fact: MembersFact | null };
  readonly probe: { readonly fact: ProbeFact } | null;
  /** Null without BGP. */
  readonly speaker: {
    setRoutes(routes: Plan["routes"], options: { readonly complete: boolean }): void;
    /** Asks routers to prefer any other way. */
    drain(): void;
    summaries(): readonly PeerSummary[];
    peers(): readonly PeerStatus[];
    recorder(peer: string): Recorder | null;
    toldOf(prefix: Prefix): readonly ToldPeer[];
  } | null;
  /** Absent where no routes are put into the kernel, and none are left there. */
  readonly routes?: Pick<RouteConverger, "converge" | "failures" | "troubles" | "isRefused">;
  /** Absent without BGP. */
  readonly bgp?: {
    /** Routers may still have the routes of the process before, and keep them until all is known here. */
    readonly isResumed: boolean;
    /** What is wrong with the peers of this node. */
    readonly troubles: readonly string[];
  };
  /** Absent without BFD. */
  readonly bfd?: { status(): readonly BfdSessionStatus[] };
  readonly announcer: {
    setVips(vips: ReadonlyMap<IpAddress, SegmentVip>): void;
    status(): readonly { readonly vip: IpAddress; readonly conflict: SegmentConflict | null }[];
  };
  readonly statuses: { want(statuses: Plan["statuses"]): void } | null;
  /** Absent where nothing is written about Services. */
  readonly events?: { tell(notices: readonly ServiceNotice[]): void };
  /** Absent where the control-plane VIP is not served. */
  readonly balancer?: { readonly troubles: readonly string[]; apply(plan: Plan["balancer"]): void };
  /** Absent without a balancer. */
  readonly backends?: { facts(): readonly BackendFact[] };
  /** Absent where nobody gives addresses; its status is null while another node does. */
  readonly pools?: { readonly status: PoolsStatus | null };
  /** Absent where no Services are served. */
  readonly firewall?: {
    readonly failure: string | null;
    widen(plan: Plan["firewall"]): void;
    narrow(plan: Plan["firewall"]): void;
  };
  readonly warnings: readonly string[];
  readonly troubles: readonly string[];
}

export interface SegmentVip {
  readonly interfaceIndex: number;
  readonly mac: NonNullable<Link["mac"]>;
  readonly forwardsIpv6: boolean;
}

/** Who else claims a VIP that this node holds. */
interface SegmentConflict {
  readonly mac: string;
  readonly count: number;
  /** Of the last claim. */
  readonly at: Instant;
}
