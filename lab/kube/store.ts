import { randomBytes, randomUUID } from "node:crypto";
import { sorted } from "./patch.ts";
import {
  type JsonObject,
  type KubeObject,
  type Resource,
  RESOURCES,
  apiVersionOf,
  isObject,
  textOf,
} from "./resources.ts";

/** An answer other than success, as the API server words it. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: number;
  readonly reason: string;
  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

export const expired = (message: string): ApiError => new ApiError(410, "Expired", message);

export interface Change {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly resource: Resource;
  readonly revision: number;
  /** After the change; for DELETED the last state, under the revision of the deletion. */
  readonly object: KubeObject;
  readonly previous: KubeObject | null;
}

export interface Target {
  readonly resource: Resource;
  /** "" for kinds without namespaces, and for all of them together. */
  readonly namespace: string;
}

/** Changes kept for watches that resume; older ones are compacted away, as etcd's are after five minutes. */
const CHANGES_KEPT = 20_000;
/** Where a fresh server begins: small resourceVersions are "too old" from the start, as on any real cluster. */
const FIRST_REVISION = 100;

/**
 * Objects by kind, under one counter of revisions, with the log of changes that watches read. Stored objects are never
 * modified, only replaced, so whoever holds one holds a snapshot.
 */
export class Store {
  readonly #objects = new Map<Resource, Map<string, KubeObject>>(RESOURCES.map((r) => [r, new Map()]));
  readonly #listeners = new Set<(change: Change) => void>();
  #changes: Change[] = [];
  #revision = FIRST_REVISION;
  #compacted = FIRST_REVISION;

  constructor() {
    const namespaces = RESOURCES.find((r) => r.plural === "namespaces")!;
    for (const name of ["default", "kube-system", "kube-public", "kube-node-lease"]) {
      this.create({ resource: namespaces, namespace: "" }, { metadata: { name } }, false);
    }
  }

  get revision(): number {
    return this.#revision;
  }

  /** Changes up to this revision are gone. */
  get compactedRevision(): number {
    return this.#compacted;
  }

  compact(): void {
    this.#changes = [];
    this.#compacted = this.#revision;
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @throws ApiError 410 when that revision was compacted */
  changesSince(revision: number): readonly Change[] {
    if (revision < this.#compacted) {
      throw expired(`too old resource version: ${revision} (${this.#compacted})`);
    }
    return this.#changes.filter((change) => change.revision > revision);
  }

  /** In key order. */
  list({ resource, namespace }: Target): KubeObject[] {
    const entries = [...this.#objects.get(resource)!.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const inside = namespace === "" ? entries : entries.filter(([key]) => key.startsWith(`${namespace}/`));
    return inside.map(([, object]) => object);
  }

  get(target: Target, name: string): KubeObject {
    const found = this.#find(target, name);
    if (!found) throw notFound(target.resource, name);
    return found;
  }

  create(target: Target, body: JsonObject, dryRun: boolean): KubeObject {
    const { resource, namespace } = target;
    const object = this.#shaped(target, body);
    const meta = object.metadata;
    if (typeof meta["resourceVersion"] === "string" && meta["resourceVersion"] !== "") {
      throw new ApiError(400, "BadRequest", "resourceVersion should not be set on objects to be created");
    }
    if (meta["name"] === undefined && typeof meta["generateName"] === "string") {
      meta["name"] = meta["generateName"] + randomBytes(3).toString("hex").slice(0, 5);
    }
    if (typeof meta["name"] !== "string" || meta["name"] === "") {
      throw invalid(resource, "", ["metadata.name: Required value: name or generateName is required"]);
    }
    if (resource.namespaced && !this.#find({ resource: NAMESPACES, namespace: "" }, namespace)) {
      throw notFound(NAMESPACES, namespace);
    }
    if (this.#find(target, meta["name"])) {
      throw new ApiError(409, "AlreadyExists", `${titleOf(resource)} "${meta["name"]}" already exists`);
    }
    if (resource.hasStatus) delete object["status"];
    meta["uid"] = randomUUID();
    meta["creationTimestamp"] = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    if (resource.hasStatus) meta["generation"] = 1;
    this.#admit(resource, object, null);
    return this.#write("ADDED", target, object, null, dryRun);
  }

  /**
   * Replaces an object by what `change` makes of it.
   *
   * @param change  gets the stored object (null only for kinds that a PUT creates) and returns the wished one
   */
  update(
    target: Target,
    name: string,
    subresource: "" | "status",
    change: (stored: KubeObject | null) => JsonObject,
    dryRun: boolean,
  ): { readonly object: KubeObject; readonly created: boolean } {
    const { resource } = target;
    const stored = this.#find(target, name);
    const wished = this.#shaped(target, change(stored));
    const meta = wished.metadata;
    if (meta["name"] !== name) {
      throw new ApiError(
        400,
        "BadRequest",
        `the name of the object (${textOf(meta["name"])}) does not match the name on the URL (${name})`,
      );
    }
    if (!stored && !resource.createsOnUpdate) throw notFound(resource, name);
    const version = meta["resourceVersion"] ?? "";
    if (!stored) {
      if (version !== "" || meta["uid"] !== undefined) throw conflict(resource, name);
      return { object: this.create(target, wished, dryRun), created: true };
    }
    if (meta["uid"] !== undefined && meta["uid"] !== stored.metadata["uid"]) throw conflict(resource, name);
    if (version === "" && !resource.unconditionalUpdate) {
      throw invalid(resource, name, ["metadata.resourceVersion: Invalid value: 0: must be specified for an update"]);
    }
    if (version !== "" && version !== stored.metadata["resourceVersion"]) throw conflict(resource, name);
    const next = keepParts(resource, subresource, stored, wished);
    this.#admit(resource, next, stored);
    if (contentOf(next) === contentOf(stored)) return { object: stored, created: false };
    const isGone = stored.metadata["deletionTimestamp"] !== undefined && !hasFinalizers(next);
    return { object: this.#write(isGone ? "DELETED" : "MODIFIED", target, next, stored, dryRun), created: false };
  }

  remove(target: Target, name: string, preconditions: JsonObject, dryRun: boolean): KubeObject {
    const stored = this.get(target, name);
    for (const key of ["uid", "resourceVersion"]) {
      const wanted = preconditions[key];
      if (wanted !== undefined && wanted !== stored.metadata[key]) throw conflict(target.resource, name);
    }
    if (hasFinalizers(stored)) {
      if (stored.metadata["deletionTimestamp"] !== undefined) return stored;
      const marked = { ...stored, metadata: { ...stored.metadata, deletionTimestamp: new Date().toISOString() } };
      return this.#write("MODIFIED", target, marked, stored, dryRun);
    }
    const removed = this.#write("DELETED", target, { ...stored }, stored, dryRun);
    if (target.resource === NAMESPACES && !dryRun) this.#empty(name);
    return removed;
  }

  /** A real cluster's namespace controller does this in its own time. */
  #empty(namespace: string): void {
    for (const resource of RESOURCES.filter((r) => r.namespaced)) {
      for (const object of this.list({ resource, namespace })) {
        this.#write("DELETED", { resource, namespace }, { ...object }, object, false);
      }
    }
  }

  #find({ resource, namespace }: Target, name: string): KubeObject | null {
    return this.#objects.get(resource)!.get(resource.namespaced ? `${namespace}/${name}` : name) ?? null;
  }

  /** A copy of `body` that has the kind and namespace of its address. */
  #shaped({ resource, namespace }: Target, body: JsonObject): KubeObject {
    const kind = body["kind"] ?? resource.kind;
    const apiVersion = body["apiVersion"] ?? apiVersionOf(resource);
    if (kind !== resource.kind || apiVersion !== apiVersionOf(resource)) {
      throw new ApiError(
        400,
        "BadRequest",
        `${JSON.stringify(apiVersion)} ${JSON.stringify(kind)} does not belong here`,
      );
    }
    const metadata = isObject(body["metadata"]) ? { ...body["metadata"] } : {};
    if (resource.namespaced) {
      if ((metadata["namespace"] ?? namespace) !== namespace) {
        throw new ApiError(
          400,
          "BadRequest",
          "the namespace of the provided object does not match the namespace sent on the request",
        );
      }
      metadata["namespace"] = namespace;
    }
    // Empty maps and lists of metadata are the same as none.
    for (const key of ["labels", "annotations", "finalizers", "ownerReferences"]) {
      const value = metadata[key];
      if (value === null || (typeof value === "object" && Object.keys(value).length === 0)) delete metadata[key];
    }
    return structuredClone({ ...body, apiVersion, kind, metadata });
  }

  #admit(resource: Resource, object: KubeObject, previous: KubeObject | null): void {
    const problems = resource.admit(object, previous);
    if (problems.length > 0) throw invalid(resource, textOf(object.metadata["name"]), problems);
  }

  #write(
    type: Change["type"],
    target: Target,
    wished: KubeObject,
    previous: KubeObject | null,
    dryRun: boolean,
  ): KubeObject {
    if (dryRun) return wished;
    const revision = ++this.#revision;
    const object: KubeObject = { ...wished, metadata: { ...wished.metadata, resourceVersion: String(revision) } };
    const { resource } = target;
    const name = textOf(object.metadata["name"]);
    const key = resource.namespaced ? `${textOf(object.metadata["namespace"])}/${name}` : name;
    if (type === "DELETED") this.#objects.get(resource)!.delete(key);
    else this.#objects.get(resource)!.set(key, object);
    const change: Change = { type, resource, revision, object, previous };
    this.#changes.push(change);
    if (this.#changes.length > 2 * CHANGES_KEPT) {
      this.#changes = this.#changes.slice(-CHANGES_KEPT);
      this.#compacted = this.#changes[0]!.revision - 1;
    }
    for (const listener of this.#listeners) listener(change);
    return object;
  }
}

/** What an update may not touch comes from the stored object. */
function keepParts(resource: Resource, subresource: string, stored: KubeObject, wished: KubeObject): KubeObject {
  const metadata = { ...wished.metadata };
  for (const key of ["uid", "creationTimestamp", "deletionTimestamp", "generation", "resourceVersion"]) {
    const value = stored.metadata[key];
    if (value === undefined) delete metadata[key];
    else metadata[key] = value;
  }
  if (subresource === "status") return { ...stored, metadata, status: wished["status"] ?? {} };
  const next: KubeObject = { ...wished, metadata };
  if (!resource.hasStatus) return next;
  if (stored["status"] === undefined) delete next["status"];
  else next["status"] = structuredClone(stored["status"]);
  if (JSON.stringify(sorted(next["spec"] ?? null)) !== JSON.stringify(sorted(stored["spec"] ?? null))) {
    metadata["generation"] = Number(stored.metadata["generation"]) + 1;
  }
  return next;
}

const NAMESPACES = RESOURCES.find((r) => r.plural === "namespaces")!;

const contentOf = (object: KubeObject): string => JSON.stringify(sorted(object));

function hasFinalizers(object: KubeObject): boolean {
  const { finalizers } = object.metadata;
  return Array.isArray(finalizers) && finalizers.length > 0;
}

const titleOf = (r: Resource): string => (r.group === "" ? r.plural : `${r.plural}.${r.group}`);

const notFound = (resource: Resource, name: string): ApiError =>
  new ApiError(404, "NotFound", `${titleOf(resource)} "${name}" not found`);

const conflict = (resource: Resource, name: string): ApiError =>
  new ApiError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${titleOf(resource)} "${name}": the object has been modified; please apply your changes to the latest version and try again`,
  );

const invalid = (resource: Resource, name: string, problems: readonly string[]): ApiError =>
  new ApiError(422, "Invalid", `${resource.kind} "${name}" is invalid: ${problems.join(", ")}`);
