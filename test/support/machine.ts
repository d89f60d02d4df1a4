import { existsSync } from "node:fs";
import { kubeAssets } from "./kube-assets.ts";
import { needsRoot } from "./privileges.ts";

/** What this machine lacks, and what is therefore not run. */
export interface Missing {
  readonly what: string;
  readonly why: string;
}

type Router = "embedded" | "frr" | "bird";
type Kube = "embedded" | "real";

export interface LabRun {
  readonly scenario: string;
  readonly router: Router;
  readonly kube: Kube;
}

const SCENARIOS = ["tour", "node-loss", "leader-loss", "api-server-loss", "arp", "fallback", "service-lifecycle"];

const onPath = (name: string): boolean =>
  [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin", "/usr/lib/frr"].some((folder) =>
    existsSync(`${folder}/${name}`),
  );

export function missing(): readonly Missing[] {
  const all: Missing[] = [];
  if (needsRoot !== null) all.push({ what: "kernel tests and the lab", why: needsRoot });
  if (!onPath("ip")) all.push({ what: "kernel tests", why: "no `ip` here: install iproute2" });
  if (!onPath("bgpd")) all.push({ what: "FRR as the router", why: "install frr" });
  if (!onPath("bird")) all.push({ what: "BIRD as the router", why: "install bird2" });
  const assets = kubeAssets();
  if ("why" in assets) all.push({ what: "the real API server", why: assets.why });
  return all;
}

/** Every scenario with each router and each API server that is here, each pair of them at least once. */
export function labRuns(): readonly LabRun[] {
  if (needsRoot !== null) return [];
  const real: Kube = "why" in kubeAssets() ? "embedded" : "real";
  const sets: { router: Router; kube: Kube }[] = [{ router: "embedded", kube: "embedded" }];
  if (onPath("bgpd")) sets.push({ router: "frr", kube: real });
  if (onPath("bird")) sets.push({ router: "bird", kube: "embedded" });
  return sets.flatMap((set) => SCENARIOS.map((scenario) => ({ scenario, ...set })));
}
