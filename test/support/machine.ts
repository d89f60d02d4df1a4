import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { KubeKind } from "../../lab/rack/kube-server.ts";
import type { RouterKind } from "../../lab/router/driver.ts";
import { ROUTERS } from "../interop/routers/all.ts";
import { birdObstacle } from "../../lab/router/bird-daemon.ts";
import { frrObstacle } from "../../lab/router/frr-daemons.ts";
import { kubesOf, routersOf } from "../../lab/scenario.ts";
import { SCENARIOS } from "../../lab/scenarios/all.ts";
import { kubeAssets } from "./kube-assets.ts";
import { needsNft, needsRoot } from "./privileges.ts";

/** What this machine lacks, and what is therefore not run. */
export interface Missing {
  readonly what: string;
  readonly why: string;
}

export interface LabRun {
  readonly scenario: string;
  readonly router: RouterKind;
  readonly kube: KubeKind;
}

const asRoot = process.getuid?.() === 0;
const onPath = (name: string): boolean =>
  [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"].some((folder) => existsSync(`${folder}/${name}`));

export function missing(): readonly Missing[] {
  const all: Missing[] = [];
  if (needsRoot !== null) all.push({ what: "kernel tests", why: needsRoot });
  else if (needsNft !== null) all.push({ what: "tests of rules in the kernel", why: needsNft });
  const lab = labObstacle();
  if (lab !== null) all.push({ what: "the lab", why: lab });
  for (const router of ["frr", "bird"] as const) {
    const why = routerObstacle(router);
    if (why !== null) all.push({ what: `${router === "frr" ? "FRR" : "BIRD"} as the router`, why });
  }
  const interop = interopObstacles();
  if (interop.length > 0) all.push({ what: "interoperability", why: interop.join("; ") });
  const assets = kubeAssets();
  if ("why" in assets) all.push({ what: "the real API server", why: assets.why });
  return all;
}

/** Every scenario with each router that has what it takes, and each API server it asks for, that are here. */
export function labRuns(): readonly LabRun[] {
  if (labObstacle() !== null) return [];
  const foreign = (["frr", "bird"] as const).filter((router) => routerObstacle(router) === null);
  const kubes: readonly KubeKind[] = "why" in kubeAssets() ? ["embedded"] : ["embedded", "real"];
  return (["embedded", ...foreign] as const).flatMap((router) =>
    kubes.flatMap((kube) =>
      SCENARIOS.filter((one) => routersOf(one).includes(router) && kubesOf(one).includes(kube)).map(({ name }) => ({
        scenario: name,
        router,
        kube,
      })),
    ),
  );
}

/** Why the table of docs/interop.md cannot be made here; empty when it can. */
export const interopObstacles = (): readonly string[] =>
  needsRoot !== null ? [needsRoot] : ROUTERS.flatMap((router) => router.obstacle() ?? []);

function labObstacle(): string | null {
  if (asRoot) return null;
  if (!onPath("ip")) return "`ip` is not installed, and without root it cannot be (package iproute2)";
  const { status } = spawnSync("unshare", ["--user", "--map-root-user", "--net", "--mount", "true"]);
  return status === 0 ? null : "it takes root, or a kernel that allows user namespaces";
}

function routerObstacle(router: "frr" | "bird"): string | null {
  // Without root the lab runs in a user namespace.
  return router === "frr" ? frrObstacle(!asRoot) : birdObstacle();
}
