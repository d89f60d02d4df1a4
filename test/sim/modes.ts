import { loadSettings } from "../../src/config/load.ts";
import type { Settings } from "../../src/config/settings.ts";
import { ROUTER_AS } from "./router.ts";

/** What decides who announces: a way to configure the daemon, as its user would. */
export interface Mode {
  readonly name: string;
  readonly mode: "bgp" | "arp" | "auto";
  readonly controlPlaneElection: boolean;
  readonly services: "none" | "global" | "per-service" | "spread";
}

export const MODES: readonly Mode[] = [
  { name: "bgp", mode: "bgp", controlPlaneElection: false, services: "none" },
  { name: "bgp-elected", mode: "bgp", controlPlaneElection: true, services: "global" },
  { name: "bgp-per-service", mode: "bgp", controlPlaneElection: true, services: "per-service" },
  { name: "bgp-spread", mode: "bgp", controlPlaneElection: true, services: "spread" },
  { name: "arp", mode: "arp", controlPlaneElection: true, services: "global" },
  { name: "arp-per-service", mode: "arp", controlPlaneElection: true, services: "per-service" },
  { name: "arp-spread", mode: "arp", controlPlaneElection: true, services: "spread" },
  { name: "auto", mode: "auto", controlPlaneElection: false, services: "none" },
];

/** Lease and hold times that go together: a router forgets a node before another may have its Lease. */
export interface Times {
  readonly leaseDurationSeconds: number;
  readonly renewDeadlineSeconds: number;
  readonly retryPeriodSeconds: number;
  readonly holdTimeSeconds: number;
}

/** As short as lifetimes of addresses allow, for many takeovers; and kube-vip's defaults. */
export const SHORT: Times = {
  leaseDurationSeconds: 5,
  renewDeadlineSeconds: 3,
  retryPeriodSeconds: 1,
  holdTimeSeconds: 3,
};
export const LONG: Times = {
  leaseDurationSeconds: 15,
  renewDeadlineSeconds: 10,
  retryPeriodSeconds: 2,
  holdTimeSeconds: 9,
};

export const CONTROL_PLANE_VIP = "10.0.0.100";
const FALLBACK_DELAY_SECONDS = 3;
const FALLBACK_SETTLE_SECONDS = 2;

const made = new Map<string, Settings>();

export function settingsFor(mode: Mode, times: Times, node: string, routers: readonly string[]): Settings {
  const { leaseDurationSeconds, renewDeadlineSeconds, retryPeriodSeconds, holdTimeSeconds } = times;
  const file = {
    mode: mode.mode,
    nodeName: node,
    controlPlane: { enabled: true, addresses: [CONTROL_PLANE_VIP], election: mode.controlPlaneElection },
    services: { enabled: true, election: mode.services },
    election: { leaseDurationSeconds, renewDeadlineSeconds, retryPeriodSeconds },
    ...(mode.mode === "arp"
      ? {}
      : {
          bgp: {
            localAs: 65_001,
            holdTimeSeconds,
            connectRetrySeconds: 5,
            peers: routers.map((address) => ({ address, as: ROUTER_AS })),
          },
        }),
    ...(mode.mode === "auto"
      ? { fallback: { delaySeconds: FALLBACK_DELAY_SECONDS, settleSeconds: FALLBACK_SETTLE_SECONDS } }
      : {}),
  };
  const text = JSON.stringify(file);
  const known = made.get(text);
  if (known) return known;
  const loaded = loadSettings({ flags: {}, env: {}, file: { path: "sim.yaml", text } });
  if ("errors" in loaded) throw new Error(`the simulation's settings: ${JSON.stringify(loaded.errors)}`);
  made.set(text, loaded.settings);
  return loaded.settings;
}
