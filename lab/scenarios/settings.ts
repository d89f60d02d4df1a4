import { type Address, LAN_INTERFACE, NODE_AS, ROUTER_AS, ROUTER_LAN, VIPS } from "../topology.ts";

/** What the scenarios' timers are, in one place: bounds are computed from the same numbers as settings. */
const HOLD_TIME_SECONDS = 3;
const CONNECT_RETRY_SECONDS = 1;
const DRAIN_SECONDS = 1;
/** Longest wait between two attempts at a router that fails again and again. */
export const MAX_IDLE_SECONDS = 4;

export const LEASE = { durationSeconds: 5, renewDeadlineSeconds: 3, retryPeriodSeconds: 1 } as const;

interface LeaseTimes {
  readonly durationSeconds: number;
  readonly renewDeadlineSeconds: number;
  readonly retryPeriodSeconds: number;
}

/** As short as whole seconds and a lifetime of addresses in the kernel allow, for scenarios with many takeovers. */
export const SHORT_LEASE: LeaseTimes = { durationSeconds: 4, renewDeadlineSeconds: 2, retryPeriodSeconds: 1 };

/**
 * What a step may take beyond the timers of the protocols: the way through the daemon, the API server, the router and
 * its command line, on a machine with two busy cores.
 */
export const MARGIN_MILLIS = 1_000;

/** From SIGTERM until the routes are gone: first they are told to be on their way out (RFC 8326), then withdrawn. */
export const DRAIN_BOUND_MILLIS = DRAIN_SECONDS * 1000 + MARGIN_MILLIS;

/** From the loss of a node without a word until the router has given up its routes. */
export const HOLD_BOUND_MILLIS = HOLD_TIME_SECONDS * 1000 + MARGIN_MILLIS;

/**
 * From the loss of the holder until another one has the Lease: it is respected for its duration after the last renewal
 * that others have seen, and they look once per retry period, with client-go's jitter of up to 1.2 periods on top.
 */
export const takeoverBoundMillis = ({ durationSeconds, retryPeriodSeconds }: LeaseTimes): number =>
  (durationSeconds + 2.2 * retryPeriodSeconds) * 1000 + MARGIN_MILLIS;
export const TAKEOVER_BOUND_MILLIS = takeoverBoundMillis(LEASE);

/** From the start of a process until its sessions are up, connect retries included. */
export const START_BOUND_MILLIS = 10_000;

/**
 * From the moment at which the router listens again until it has all routes: the longest wait after failures, a connect
 * retry, and the work.
 */
export const RECONNECT_BOUND_MILLIS = (MAX_IDLE_SECONDS + CONNECT_RETRY_SECONDS) * 1000 + MARGIN_MILLIS;

export const leaseFlags = (lease: LeaseTimes): string[] => [
  "--leaderElection",
  ...["--leaseDuration", `${lease.durationSeconds}`],
  ...["--leaseRenewDuration", `${lease.renewDeadlineSeconds}`],
  ...["--leaseRetry", `${lease.retryPeriodSeconds}`],
];
export const LEASE_FLAGS = leaseFlags(LEASE);

const common = (vip: Address): string[] => [
  ...["--address", `${vip.v4},${vip.v6}`, "--inCluster", "--taint", "--controlplane", "--services"],
];

/** @param others  peers beside the router, in kube-vip's text */
const peers = (...others: readonly string[]): string[] => [
  ...["--localAS", `${NODE_AS}`],
  ...[
    "--bgppeers",
    [`${ROUTER_LAN.v4}:${ROUTER_AS}::false`, `[${ROUTER_LAN.v6}]:${ROUTER_AS}::false`, ...others].join(","),
  ],
];

/** @param peers  where the routers are: flags of BGP */
export const peersElsewhereFlags = (...peers: readonly string[]): string[] => [
  ...["--interface", "lo", ...common(VIPS.controlPlane), "--bgp", ...peers],
];

export const bgpFlags = (...others: readonly string[]): string[] => [...peersElsewhereFlags(...peers(...others))];

export const autoFlags = (): string[] => [...common(VIPS.onLan), "--mode", "auto", ...peers()];

export const arpFlags = (): string[] => ["--interface", LAN_INTERFACE, ...common(VIPS.onLan), "--arp"];

export const tableFlags = (): string[] => ["--interface", "lo", ...common(VIPS.controlPlane), "--table"];

/** Set beside the manifest: kube-vip's generator has no flags for these, so people edit them in. */
export const bgpEnvironment = {
  bgp_hold_time: `${HOLD_TIME_SECONDS}`,
  bgp_keepalive_interval: "1",
  bgp_routerinterface: LAN_INTERFACE,
  vipcast_bgp_connect_retry_seconds: `${CONNECT_RETRY_SECONDS}`,
  vipcast_bgp_drain_seconds: `${DRAIN_SECONDS}`,
  vipcast_bgp_max_idle_seconds: `${MAX_IDLE_SECONDS}`,
} as const;

/** Between two samples of the same thing. Sampled every 15 to 20 ms; the rest is what two busy cores may add. */
export const SAMPLE_SPACING_MILLIS = 50;

/** Mode auto: how long BGP must have been gone, and how long back, before the other way takes over. */
export const FALLBACK = { delaySeconds: 2, settleSeconds: 2 } as const;

/**
 * Elected scenarios look at the Lease alone: with the probe of the local API server a node that is cut off from the API
 * withdraws long before its Lease is in danger, and would do so with a broken election, too.
 */
export const electionEnvironment = { vipcast_control_plane_health_check: "false" } as const;
