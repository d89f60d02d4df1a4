import { parseAllDocuments } from "yaml";

interface EnvironmentEntry {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath?: string } };
}

interface Workload {
  readonly kind?: string;
  readonly spec?: {
    readonly containers?: readonly Container[];
    readonly template?: { readonly spec?: { readonly containers?: readonly Container[] } };
  };
}

interface Container {
  readonly args?: readonly string[];
  readonly env?: readonly EnvironmentEntry[];
}

/** What the kubelet would start on one node: arguments and environment of the manifest's only container. */
export interface ContainerStart {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Reads a manifest as the kubelet does.
 *
 * @param yaml      a Pod or DaemonSet, other documents beside it are skipped
 * @param nodeName  what the field reference to `spec.nodeName` gives on this node
 * @throws Error when there is no container, or an entry refers to what only a real kubelet knows
 */
export function containerStart(yaml: string, nodeName: string): ContainerStart {
  const workloads: readonly Workload[] = documentsOf(yaml);
  const container = workloads
    .filter((one) => one.kind === "Pod" || one.kind === "DaemonSet")
    .flatMap((one) => one.spec?.containers ?? one.spec?.template?.spec?.containers ?? [])[0];
  if (!container) throw new Error("the manifest has neither a Pod nor a DaemonSet with a container");
  return {
    args: container.args ?? [],
    environment: Object.fromEntries((container.env ?? []).map((entry) => [entry.name, valueOf(entry, nodeName)])),
  };
}

function valueOf({ name, value, valueFrom }: EnvironmentEntry, nodeName: string): string {
  if (valueFrom === undefined) return value ?? "";
  const path = valueFrom.fieldRef?.fieldPath;
  if (path === "spec.nodeName") return nodeName;
  throw new Error(`${name} comes from ${path ?? "something other than a field"}, which the lab does not have`);
}

/** One object of a manifest. */
export interface ManifestObject {
  readonly kind: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
}

export const documentsOf = (yaml: string): readonly ManifestObject[] =>
  parseAllDocuments(yaml)
    .map((document) => document.toJS() as ManifestObject | null)
    .filter((one) => one !== null);

export interface ServiceAccount {
  readonly name: string;
  readonly namespace: string;
}

/** @throws Error when the objects make none */
export function serviceAccountOf(objects: readonly ManifestObject[]): ServiceAccount {
  const metadata = objects.find(({ kind }) => kind === "ServiceAccount")?.metadata;
  if (!metadata?.name || !metadata.namespace)
    throw new Error("the manifest has no ServiceAccount with name and namespace");
  return { name: metadata.name, namespace: metadata.namespace };
}
