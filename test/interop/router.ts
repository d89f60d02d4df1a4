import type { FeatureName } from "./features/names.ts";
import type { Stage } from "./stage.ts";

export const ROUTER_NAMES = ["frr", "bird", "gobgp", "openbgpd", "exabgp"] as const;
export type RouterName = (typeof ROUTER_NAMES)[number];

/** How the session is to be on the router's side. What is absent is the router's default. */
export interface RouterSettings {
  /** The router never dials. */
  readonly passive?: boolean;
  readonly password?: string;
  /** TTL security of a peer on the link (RFC 5082). */
  readonly gtsm?: boolean;
  /** 90 when absent, so that no timer of a session has a say in a test that is not about it. */
  readonly holdTimeSeconds?: number;
  /** The router speaks without the capability for four-octet AS numbers (RFC 6793). */
  readonly twoOctetAs?: boolean;
  readonly asn?: number;
  readonly peerAsn?: number;
  /** The router announces graceful restart, so that it helps us and can restart itself. */
  readonly gracefulRestart?: boolean;
  /** Its own role towards us (RFC 9234). */
  readonly role?: "provider";
  readonly bfd?: boolean;
  /** IPv4 routes with an IPv6 next hop (RFC 8950). */
  readonly extendedNextHop?: boolean;
  /** Messages of up to 65535 octets (RFC 8654). */
  readonly extendedMessages?: boolean;
  /** The answer to a route refresh has a beginning and an end (RFC 7313). */
  readonly enhancedRefresh?: boolean;
  /** The session is on the interface, without addresses: the router finds us by our Router Advertisements. */
  readonly unnumbered?: boolean;
  /** The address of ours that it knows, when it is another one than the stage's. */
  readonly peerAddress?: string;
}

/** A route of ours as the router shows it, in one spelling for all routers. */
export interface SeenRoute {
  readonly nextHop: string;
  /** "65001 65001". */
  readonly asPath: string;
  /** "65535:0", "no-export" as "65535:65281". */
  readonly communities: readonly string[];
  /** "65001:1:2". */
  readonly largeCommunities: readonly string[];
  /** "rt 65001:7", "ro 65001:8". */
  readonly extendedCommunities: readonly string[];
  readonly med: number | null;
  /** Kept for a peer that restarts. */
  readonly stale: boolean;
}

export type SeenRoutes = ReadonlyMap<string, SeenRoute>;

/** One kind of router: what it is, and how one is made for a stage. */
export interface RouterKind {
  readonly name: RouterName;
  /** For people: "FRR". */
  readonly title: string;
  /** Debian's package. */
  readonly package: string;
  /** Puts what it learns into the kernel, so that traffic can follow it. */
  readonly programsKernel: boolean;
  /** What it does not have, each with what is the matter: such a cell is not run. */
  readonly lacks: Readonly<Partial<Record<FeatureName, string>>>;
  /** What it has but in part; the feature leaves out what cannot be demanded then. */
  readonly partly?: Readonly<Partial<Record<FeatureName, string>>>;
  /** Why it cannot be run here; null when it can. */
  obstacle(): string | null;
  version(): Promise<string>;
  on(stage: Stage): Router;
}

/** A router of a stage. It announces `stage.routerPrefixes`, and takes everything from us. */
export interface Router {
  /** Resolves once it runs with these settings, connections accepted. */
  start(settings: RouterSettings): Promise<void>;
  /** SIGKILL to all of it; `start` brings it back. */
  kill(): Promise<void>;
  /** All of it stops where it stands, as a router that hangs. */
  freeze(): void;
  /** Prefix to route, of everything that we have told it. */
  routes(): Promise<SeenRoutes>;
  isEstablished(): Promise<boolean>;
  /** Everything that it has written about the session so far: its log, or what its command line shows. */
  words(): Promise<string>;
  /** Whether its BFD session with us is up. */
  isBfdUp(): Promise<boolean>;
  /** Asks us for our routes again. */
  askRefresh(): Promise<void>;
  /** Shuts our session down, with a text for us (RFC 9003). @returns the text that it sends, not always ours */
  shutDown(text: string): Promise<string>;
}
