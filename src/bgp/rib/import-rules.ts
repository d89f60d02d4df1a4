import { type IpAddress, type Ipv4, isLinkLocal } from "../../addr/ip.ts";
import { type Prefix, prefixAddress, prefixContains, prefixLength } from "../../addr/prefix.ts";
import type { Asn } from "../wire/asn.ts";
import type { Role } from "../wire/capabilities.ts";
import { type AddressFamily, familyOfPrefix } from "../wire/families.ts";
import type { UpdateContext } from "../wire/path-attributes.ts";
import { COMMUNITY } from "./communities.ts";
import type { ImportPolicy } from "./policy.ts";
import type { ReceivedRoute } from "./received-route.ts";
import { LOCAL_PREF_DEFAULT } from "./route-attributes.ts";

/** What of a session decides which of the peer's routes are of use. */
export interface InContext extends UpdateContext {
  readonly localAsn: Asn;
  /** Our end of the session: a route back to ourselves is of no use. */
  readonly localAddress: IpAddress;
  /** True for any other address of ours. */
  readonly isOwnAddress?: (address: IpAddress) => boolean;
  /** Our BGP identifier. */
  readonly routerId?: Ipv4;
  readonly peerAsn?: Asn;
  readonly peerAddress?: IpAddress;
  /** For a peer on our own link: whether an address is on a link of ours, too. Absent: next hops are anywhere. */
  readonly isOnLink?: (address: IpAddress) => boolean;
  /** What we are to the peer (RFC 9234); absent or null: roles are not in use. */
  readonly role?: Role | null;
}

export interface InSettings {
  /** Null: no route is of use (RFC 8212). */
  readonly importPolicy?: ImportPolicy | null;
  /** A path from another AS must begin with it (RFC 4271 §6.3). */
  readonly enforceFirstAs?: boolean;
  /** How often our own AS may be in a path. */
  readonly ownAsCountMax?: number;
}

type Judged = Pick<ReceivedRoute, "preference" | "unusable">;
/** What judging takes no notice of: routes of one UPDATE differ in nothing else. */
type Path = Omit<ReceivedRoute, keyof Judged | "prefix" | "pathId">;

/** Whether traffic may follow routes, and how much they are preferred. None of the reasons against it ends a session. */
export class ImportRules {
  readonly #context: InContext;
  readonly #ownAsCountMax: number;
  readonly #policy: ImportPolicy | null;
  /** By family; null: each prefix of it is accepted, and none has to be looked at. */
  readonly #accept: Record<AddressFamily, readonly Accepted[] | null>;

  constructor(context: InContext, { importPolicy = null, ownAsCountMax = 0 }: InSettings) {
    this.#context = context;
    this.#ownAsCountMax = ownAsCountMax;
    this.#policy = importPolicy;
    const of = (family: AddressFamily, bits: number): readonly Accepted[] | null => {
      const mine = (importPolicy?.accept ?? []).filter(({ within }) => familyOfPrefix(within) === family);
      const isAll = mine.some(({ within, lengthMax }) => prefixLength(within) === 0 && lengthMax >= bits);
      return isAll ? null : mine;
    };
    this.#accept = { "ipv4-unicast": of("ipv4-unicast", 32), "ipv6-unicast": of("ipv6-unicast", 128) };
  }

  /** For all routes with this path, unless `refusal` says otherwise of one of them. */
  judge(path: Path): Judged {
    const isLeaving =
      this.#policy?.honourGracefulShutdown === true && path.communities.includes(COMMUNITY.gracefulShutdown);
    return {
      preference: isLeaving ? 0 : (path.localPref ?? LOCAL_PREF_DEFAULT),
      unusable: problemOf(path, this.#context, this.#ownAsCountMax),
    };
  }

  /** Why the policy does not want this prefix; null when it does. */
  refusal(prefix: Prefix, family: AddressFamily): string | null {
    if (this.#policy === null) return "no import policy (RFC 8212)";
    const accept = this.#accept[family];
    return accept === null || accept.some((one) => accepts(one, prefix)) ? null : "refused by the import policy";
  }
}

type Accepted = ImportPolicy["accept"][number];

function problemOf(path: Path, context: InContext, ownAsCountMax: number): string | null {
  const { localAsn, localAddress, isOwnAddress, isOnLink, peerAddress, routerId } = context;
  const { asPath, nextHop } = path;
  // RFC 4271 §9.1.2: the route has been here.
  let ownCount = 0;
  for (const asn of asPath) if (asn === localAsn) ownCount++;
  if (ownCount > ownAsCountMax) return `own AS ${localAsn} in the path`;
  if (routerId !== undefined && path.originatorId === routerId) return "originated by this host (RFC 4456)";
  // RFC 4271 §5.1.3, §6.3.
  if (nextHop === localAddress || isOwnAddress?.(nextHop)) return "next hop is this host";
  if (context.external && isOnLink !== undefined && nextHop !== peerAddress && !isNear(path, isOnLink)) {
    return `next hop ${nextHop} is not on the link`;
  }
  return leak(path.onlyToCustomer, context);
}

const isNear = ({ nextHop, linkLocal }: Path, isOnLink: (of: IpAddress) => boolean) =>
  linkLocal !== undefined || isLinkLocal(nextHop) || isOnLink(nextHop);

/** RFC 9234 §5: a route that was to go down only, and comes from below or from the side. */
function leak(onlyToCustomer: Asn | undefined, { role, peerAsn }: InContext): string | null {
  if (onlyToCustomer === undefined) return null;
  const isFromBelow = role === "provider" || role === "route-server";
  const isFromAside = role === "peer" && onlyToCustomer !== peerAsn;
  return isFromBelow || isFromAside ? `leaked: only for customers of AS ${onlyToCustomer} (RFC 9234)` : null;
}

/** The OTC attribute of a route that came without one (RFC 9234 §5). */
export function ingressOnlyToCustomer({ role, peerAsn }: InContext): Asn | undefined {
  return role === "customer" || role === "peer" || role === "route-server-client" ? peerAsn : undefined;
}

function accepts({ within, lengthMax }: Accepted, prefix: Prefix): boolean {
  const length = prefixLength(prefix);
  if (length < prefixLength(within) || length > lengthMax) return false;
  return prefixContains(within, prefixAddress(prefix));
}
