import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");

/** What `vipcast …` prints, run with no environment but `env`. @throws when it fails */
export function vipcast(words: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  return execFileSync(process.execPath, [MAIN, ...words], {
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
}

/** As much of an object as these tests look at. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> };
  readonly rules?: readonly { readonly apiGroups: string[]; readonly resources: string[]; readonly verbs: string[] }[];
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly spec: PodSpec & { readonly template?: { readonly spec: PodSpec } };
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly hostNetwork: boolean;
  readonly hostAliases?: readonly object[];
  readonly tolerations?: readonly object[];
  readonly affinity?: object;
  readonly volumes: readonly {
    readonly name: string;
    readonly hostPath: { readonly path: string; readonly type: string };
  }[];
  readonly containers: readonly Container[];
}

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly livenessProbe?: object;
  readonly readinessProbe?: object;
  readonly securityContext: { readonly capabilities: { readonly add?: string[]; readonly drop: string[] } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

export function readManifests(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS() as Manifest;
  });
}

/** The pod's specification in a Pod or a DaemonSet. */
export const podSpecOf = ({ spec }: Manifest): PodSpec => spec.template?.spec ?? spec;

/** The environment that the kubelet would give the container on the node `node`. */
export function environmentIn(manifest: Manifest, node = "node-1"): Record<string, string> {
  const { env } = podSpecOf(manifest).containers[0]!;
  // Of `$(…)` the kubelet replaces known names only; of `$$` it leaves one.
  return Object.fromEntries(env.map(({ name, value }) => [name, value?.replaceAll("$$", "$") ?? node]));
}
