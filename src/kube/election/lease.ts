/**
 * The Lease object (coordination.k8s.io/v1) as client-go's leader election reads and writes it. What the election does
 * not know (labels, other annotations, owner references, strategy) is carried along unchanged, because it is written
 * by PUT: kube-vip's RBAC grants `update` on Leases and not `patch`.
 */
export interface LeaseRecord {
  /** "" when nobody holds it. */
  readonly holder: string;
  /** How long the holder promised that nobody need look again; 0 when the Lease does not say. */
  readonly durationSeconds: number;
  /** As written; only compared for equality, never with a clock. */
  readonly acquireTime: string;
  readonly renewTime: string;
  readonly transitions: number;
}

export interface LeaseObject {
  readonly record: LeaseRecord;
  readonly resourceVersion: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Null when `body` is not a Lease. Missing or misshapen fields of its spec read as empty, like client-go's. */
export function parseLease(body: unknown): LeaseObject | null {
  if (!isRecord(body) || !isRecord(body["metadata"])) return null;
  const { metadata } = body;
  const spec = isRecord(body["spec"]) ? body["spec"] : {};
  const resourceVersion = metadata["resourceVersion"];
  if (typeof resourceVersion !== "string" || resourceVersion === "") return null;
  return {
    record: {
      holder: text(spec["holderIdentity"]),
      durationSeconds: count(spec["leaseDurationSeconds"]),
      acquireTime: text(spec["acquireTime"]),
      renewTime: text(spec["renewTime"]),
      transitions: count(spec["leaseTransitions"]),
    },
    resourceVersion,
    metadata,
    spec,
  };
}

/**
 * The body to send: `record` on top of `base`, guarded by the resourceVersion and uid of `base`; without one, a new Lease.
 */
export function renderLease(
  name: { readonly namespace: string; readonly name: string },
  record: LeaseRecord,
  base: LeaseObject | null,
  annotations: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> = {},
): object {
  const metadata: Record<string, unknown> = { ...base?.metadata, ...name };
  for (const [field, ours] of Object.entries({ annotations, labels })) {
    if (Object.keys(ours).length === 0) continue;
    const present = metadata[field];
    metadata[field] = { ...(isRecord(present) ? present : {}), ...ours };
  }
  // The server keeps its own account of who set which field.
  delete metadata["managedFields"];
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata,
    spec: {
      ...base?.spec,
      holderIdentity: record.holder,
      leaseDurationSeconds: record.durationSeconds,
      acquireTime: record.acquireTime,
      renewTime: record.renewTime,
      leaseTransitions: record.transitions,
    },
  };
}

/** RFC 3339 with microseconds, as metav1.MicroTime is written. */
export const microTime = (at: Date): string => at.toISOString().replace(/Z$/, "000Z");

export const sameRecord = (a: LeaseRecord, b: LeaseRecord): boolean =>
  a.holder === b.holder &&
  a.durationSeconds === b.durationSeconds &&
  a.acquireTime === b.acquireTime &&
  a.renewTime === b.renewTime &&
  a.transitions === b.transitions;

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const count = (value: unknown): number => (typeof value === "number" && value > 0 ? value : 0);
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
