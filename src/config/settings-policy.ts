import type { IpAddress } from "../addr/ip.ts";
import type { Prefix } from "../addr/prefix.ts";
import type { LargeCommunityNumbers } from "../base/communities.ts";

/** Where a secret is read from. Only `value` is the secret itself. */
export type SecretSource =
  | { readonly kind: "value"; readonly value: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "environment"; readonly name: string }
  /** Of Kubernetes; a null namespace is the pod's own, as for Leases. */
  | { readonly kind: "secret"; readonly namespace: string | null; readonly name: string; readonly key: string };

/** Received routes that may be used: those within a prefix and not longer than `lengthMax`. */
export interface ImportSettings {
  readonly accept: readonly { readonly within: Prefix; readonly lengthMax: number }[];
  readonly honourGracefulShutdown: boolean;
}

/** The first rule that matches decides. */
export interface ExportSettings {
  readonly rules: readonly ExportRuleSettings[];
  readonly otherwise: "announce" | "refuse";
}

export interface ExportRuleSettings {
  /** Null: all. */
  readonly prefixes: readonly Prefix[] | null;
  /** The `tag` of a RouteSelector; null: all. */
  readonly tag: string | null;
  readonly action: "announce" | "refuse";
  readonly communities: readonly number[];
  readonly largeCommunities: readonly LargeCommunityNumbers[];
  /** Eight octets each. */
  readonly extendedCommunities: readonly bigint[];
  readonly localPref: number | null;
  readonly med: number | null;
  readonly prependCount: number | null;
  readonly nextHop: IpAddress | null;
}

/** What a route must belong to, in all of its parts, to carry `tag`. */
export interface RouteSelector {
  /** The selector in words; equal selectors have equal tags. */
  readonly tag: string;
  readonly kind: "control-plane" | "services" | null;
  /** Null: any. With this, `services` or `labels` the control plane is left out. */
  readonly namespaces: readonly string[] | null;
  /** `namespace/name`; null: any. */
  readonly services: readonly string[] | null;
  readonly labels: Readonly<Record<string, string>>;
}

/** Patterns of what annotations may set: parts between colons, `*` for any. */
export interface ServiceAttributeSettings {
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
  readonly extendedCommunities: readonly string[];
  readonly localPreference: boolean;
  readonly med: boolean;
  readonly maxPrepend: number;
}

export interface MaxPrefixesSettings {
  readonly count: number;
  readonly action: "drop" | "cease";
  /** Null: never again. */
  readonly restartSeconds: number | null;
}

export interface GracefulRestartSettings {
  readonly restartTimeSeconds: number;
  readonly helper: boolean;
  /** 0: not at all. */
  readonly longLivedSeconds: number;
}
