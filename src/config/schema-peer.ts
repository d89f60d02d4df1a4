import * as z from "zod";
import { type Prefix, parsePrefix } from "../addr/prefix.ts";
import {
  absolutePath,
  bool,
  hostAddress,
  interfaceName,
  ipv4Address,
  ipv6Address,
  namespaceName,
  objectName,
  text,
  wholeNumber,
} from "./leaves.ts";
import { named } from "./option-names.ts";
import { Export, Import } from "./schema-policy.ts";
import type { TextForm } from "./text.ts";

/** One BGP peer in the file. Most keys of a session stand under `bgp` as well, as what all peers have. */

/** AS_TRANS stands for numbers of more than two octets, and is nobody's own (RFC 6793 §9). */
export const asNumber = () =>
  wholeNumber(1, 4_294_967_295).refine((value) => value !== 23_456, "must not be 23456, which is reserved (AS_TRANS)");
const family = z.enum(["ipv4", "ipv6"], { error: "must be ipv4 or ipv6" });
const families = () =>
  z.array(family, { error: "must be a list of ipv4 and ipv6" }).min(1, "must name at least one family");

/** 1 and 2 are forbidden (RFC 4271 §4.2). */
export const holdTime = () =>
  wholeNumber(0, 65_535).refine((value) => value === 0 || value >= 3, "must be 0 (no keepalives), or 3 and more");

/** The kernel takes keys of at most 80 octets (TCP_MD5SIG_MAXKEYLEN). */
const password = () =>
  text()
    .min(1, "must not be empty: leave the key out for no password")
    .refine((value) => new TextEncoder().encode(value).length <= 80, "must have at most 80 octets");

const environmentName = () => text().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be the name of an environment variable");

const SecretKey = z.strictObject({
  namespace: namespaceName().optional().describe("Left out: the namespace of the daemon's pod."),
  name: objectName().describe("Name of the Secret."),
  key: text().min(1, "must not be empty").max(253).describe("Key within its data."),
});

/** A key that stands at a peer and, for all peers, under `bgp`. */
interface Row<S extends z.ZodType> {
  readonly schema: () => S;
  readonly text: string;
  readonly form: TextForm;
  readonly env: string;
}
type Rows = Readonly<Record<string, Row<z.ZodType>>>;
type Optional<R extends Rows> = { [K in keyof R]: z.ZodOptional<ReturnType<R[K]["schema"]>> };

/** The keys as they stand at a peer. */
const atPeer = <R extends Rows>(rows: R): Optional<R> =>
  mapped(rows, ({ schema, text: words }) => schema().optional().describe(words));

/** The keys as they stand under `bgp`, with their names in the environment. */
export const forAll = <R extends Rows>(rows: R): Optional<R> =>
  mapped(rows, ({ schema, text: words, form, env }) =>
    named(schema().optional().describe(words), { form, env: [env] }),
  );

const mapped = <R extends Rows>(rows: R, make: (row: Row<z.ZodType>) => z.ZodType): Optional<R> =>
  Object.fromEntries(Object.entries(rows).map(([key, row]) => [key, make(row)])) as Optional<R>;

const row = <S extends z.ZodType>(form: TextForm, env: string, schema: () => S, words: string): Row<S> => ({
  schema,
  text: words,
  form,
  env: `vipcast_bgp_${env}`,
});

/** Where the TCP-MD5 key comes from, at most one of them. */
const PASSWORD_ROWS = {
  password: row("text", "password", password, "TCP-MD5 key (RFC 2385)."),
  passwordFile: row(
    "text",
    "password_file",
    absolutePath,
    "File with the key; read again when it changes, refused when everybody may read it.",
  ),
  passwordEnvironment: row("text", "password_environment", environmentName, "Environment variable with the key."),
  passwordSecret: row(
    "json",
    "password_secret",
    () => SecretKey,
    "Kubernetes Secret with the key; followed while it changes.",
  ),
} as const;

/** Session keys that are the same for every peer unless it says otherwise. */
export const SESSION_ROWS = {
  ...PASSWORD_ROWS,
  ttlSecurity: row(
    "integer",
    "ttl_security",
    () => wholeNumber(1, 254),
    "GTSM (RFC 5082): the router is at most this many hops away, and packets from farther are dropped by the kernel. Both sides need it.",
  ),
  passive: row("bool", "passive", bool, "Wait for the router's connection instead of dialling; needs `bgp.listen`."),
  delayOpenSeconds: row(
    "integer",
    "delay_open_seconds",
    () => wholeNumber(0, 240),
    "How long to wait for the router's OPEN before ours (RFC 4271 §8.1.1). Left out: not at all.",
  ),
  minHoldTimeSeconds: row(
    "integer",
    "min_hold_time_seconds",
    () => wholeNumber(3, 65_535),
    "A router that offers a shorter hold time, other than 0, is refused. Left out: 3.",
  ),
  sendHoldTimeSeconds: row(
    "integer",
    "send_hold_time_seconds",
    () => wholeNumber(0, 65_535),
    "When a router that does not read is given up (RFC 9687); 0 never. Left out: 480, or twice the hold time if that is more.",
  ),
  maxIdleSeconds: row(
    "integer",
    "max_idle_seconds",
    () => wholeNumber(1, 3600),
    "Longest wait between attempts after repeated failures. Left out: 30.",
  ),
  userTimeoutMillis: row(
    "integer",
    "user_timeout_millis",
    () => wholeNumber(500, 3_600_000),
    "When TCP gives up on octets that nobody acknowledges. Left out: the hold time decides.",
  ),
  maxSegmentLength: row(
    "integer",
    "max_segment_length",
    () => wholeNumber(536, 32_767),
    "Most octets of TCP payload in a segment, for paths that lose large packets. Left out: what the path takes.",
  ),
  trafficClass: row(
    "integer",
    "traffic_class",
    () => wholeNumber(0, 255),
    "Traffic class octet of the session's packets. Left out: 192 (CS6).",
  ),
  requiredFamilies: row("list", "required_families", families, "Families that the router must offer, else no session."),
  extendedNextHop: row(
    "bool",
    "extended_next_hop",
    bool,
    "IPv4 routes with IPv6 next hops (RFC 8950). Left out: only with `interface`.",
  ),
  addPathReceive: row("bool", "add_path_receive", bool, "Take several paths for a prefix (RFC 7911)."),
  role: row(
    "text",
    "role",
    () =>
      z.enum(["provider", "customer", "peer", "route-server", "route-server-client"], {
        error: "must be provider, customer, peer, route-server or route-server-client",
      }),
    "Our role towards the router (RFC 9234); external peers only.",
  ),
  strictRole: row("bool", "strict_role", bool, "The router must state its role, too."),
  enforceFirstAs: row(
    "bool",
    "enforce_first_as",
    bool,
    "The first AS of a received path must be the router's. Left out: true.",
  ),
  maxPrefixes: row(
    "json",
    "max_prefixes",
    () =>
      z.strictObject({
        count: wholeNumber(1, 10_000_000).describe("Routes per family."),
        action: z
          .enum(["drop", "cease"], { error: "must be drop or cease" })
          .default("drop")
          .describe("`drop`: what is beyond is not kept. `cease`: the session ends."),
        restartSeconds: wholeNumber(1, 86_400).optional().describe("`cease`: when to try again. Left out: never."),
      }),
    "Received routes: how many, and what happens beyond.",
  ),
  import: row("json", "import", () => Import, "Received routes that may be used. Left out: none."),
  export: row("json", "export", () => Export, "What the router is told. Left out: every VIP."),
} as const;

/** `gracefulRestart` of a peer, and of all. */
export const GRACEFUL_RESTART_ROWS = {
  enabled: row(
    "bool",
    "graceful_restart",
    bool,
    "Ask routers to keep our routes while the daemon is away for a moment (RFC 4724). Left out: false.",
  ),
  restartTimeSeconds: row(
    "integer",
    "graceful_restart_time_seconds",
    () => wholeNumber(1, 4095),
    "For how long at most. Left out: 120.",
  ),
  helper: row(
    "bool",
    "graceful_restart_helper",
    bool,
    "Keep the routes of a router that restarts. Left out: true where graceful restart is on.",
  ),
  longLivedSeconds: row(
    "integer",
    "long_lived_seconds",
    () => wholeNumber(0, 16_777_215),
    "Keep stale routes of a router for so long after that (RFC 9494). Left out: 0, not at all.",
  ),
} as const;

/** `bfd` of a peer, and of all. */
export const BFD_ROWS = {
  enabled: row("bool", "bfd", bool, "BFD with the router (RFC 5880). Left out: false."),
  transmitMillis: row(
    "integer",
    "bfd_transmit_millis",
    () => wholeNumber(10, 60_000),
    "Shortest time between two of our packets. Left out: 300.",
  ),
  receiveMillis: row(
    "integer",
    "bfd_receive_millis",
    () => wholeNumber(10, 60_000),
    "Shortest time between two of the router's packets. Left out: 300.",
  ),
  multiplier: row(
    "integer",
    "bfd_multiplier",
    () => wholeNumber(1, 255),
    "Packets in a row that may be missing. Left out: 3.",
  ),
  passive: row("bool", "bfd_passive", bool, "Say nothing until the router does."),
  minTtl: row(
    "integer",
    "bfd_min_ttl",
    () => wholeNumber(1, 254),
    "Multihop (RFC 5883): lowest TTL taken. Left out: 255 and one hop, or what `multihop` or `ttlSecurity` make of it.",
  ),
  fastTimers: row(
    "bool",
    "bfd_fast_timers",
    bool,
    "Take intervals below 50 ms: a busy node may then find a router dead that is not.",
  ),
  strict: row("bool", "bfd_strict", bool, "BGP waits for BFD where the router says so, too."),
} as const;

const BfdAuth = z
  .strictObject({
    type: z
      .enum(["simple", "md5", "meticulous-md5", "sha1", "meticulous-sha1"], {
        error: "must be simple, md5, meticulous-md5, sha1 or meticulous-sha1",
      })
      .describe("RFC 5880 §6.7."),
    keyId: wholeNumber(0, 255).describe("Number of the key."),
    key: text().min(1, "must not be empty").describe("The key: at most 16 octets, with SHA1 20."),
  })
  .refine((it) => new TextEncoder().encode(it.key).length <= (it.type.endsWith("sha1") ? 20 : 16), {
    error: "must have at most 16 octets, with SHA1 20",
    path: ["key"],
  });
export const BFD_AUTH_ROWS = {
  auth: row("json", "bfd_auth", () => BfdAuth, "Authentication of BFD packets."),
} as const;

const NextHop = z
  .strictObject({
    ipv4: ipv4Address().optional().describe("Next hop of IPv4 routes."),
    ipv6: ipv6Address().optional().describe("Next hop of IPv6 routes."),
    interface: interfaceName().optional().describe("Use the addresses of this interface."),
  })
  .refine((it) => it.interface === undefined || (it.ipv4 === undefined && it.ipv6 === undefined), {
    error: "give either interface, or ipv4 and ipv6",
  });

const remoteAs = () =>
  z.union([asNumber(), z.enum(["external", "internal"])], {
    error: "must be a whole number from 1 to 4294967295, external or internal",
  });

const peerName = () =>
  text().regex(/^[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?$/, "must be 1 to 63 letters, digits, -, _ and .");

const multihop = () =>
  z
    .union([bool(), wholeNumber(2, 255)], { error: "must be true, false, or a number of hops from 2 to 255" })
    .default(false)
    .describe("The router is more than one hop away: `true` sends with TTL 50 instead of 1, a number with that TTL.");

/** Prefix and name of a label; a value is like a name, or empty. */
const LABEL_NAME = "[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?";
const LABEL_KEY = new RegExp(`^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?${LABEL_NAME}$`);
const LABEL_VALUE = new RegExp(`^(?:${LABEL_NAME})?$`);

/** As `matchLabels` of Kubernetes: all of them. */
export const nodeSelector = () =>
  z.record(text(), text(), { error: "must be a map of labels" }).superRefine((labels, context) => {
    for (const [key, value] of Object.entries(labels))
      if (!LABEL_KEY.test(key) || !LABEL_VALUE.test(value))
        context.addIssue({ code: "custom", path: [key], message: "must be a label of Kubernetes and its value" });
  });

const sessionKeys = {
  ...atPeer(SESSION_ROWS),
  holdTimeSeconds: holdTime().optional().describe("Offered hold time."),
  keepaliveSeconds: wholeNumber(0, 21_845).optional().describe("Keepalive interval, at most a third of the hold time."),
  gracefulRestart: z
    .strictObject(atPeer(GRACEFUL_RESTART_ROWS))
    .optional()
    .describe("Graceful restart with this router, key by key."),
  bfd: z
    .strictObject({ ...atPeer(BFD_ROWS), ...atPeer(BFD_AUTH_ROWS) })
    .optional()
    .describe("BFD with this router, key by key."),
  nextHop: NextHop.optional().describe("Next hop of what is announced; `{}` is the session's own address."),
};

/** One entry of `bgp.peers`. What is left out comes from the keys of the same name under `bgp`. */
export const Peer = z
  .strictObject({
    name: peerName()
      .optional()
      .describe("Name in logs, metrics and `vipcast status`; the address or the interface if left out."),
    address: hostAddress().optional().describe("IPv4 or IPv6 address of the router. Either this or `interface`."),
    interface: interfaceName()
      .optional()
      .describe("Unnumbered: the router is found on this interface by its router advertisements."),
    as: remoteAs().describe("AS number of the router; `external`: any but ours, `internal`: ours."),
    port: wholeNumber(1, 65_535).default(179).describe("TCP port of the router."),
    multihop: multihop(),
    sourceAddress: hostAddress().optional().describe("Local address of the session."),
    sourceInterface: interfaceName()
      .optional()
      .describe("Bind the session to this interface; needed for link-local addresses."),
    connectRetrySeconds: wholeNumber(1, 65_535).optional().describe("Time between two attempts to connect."),
    families: families()
      .optional()
      .describe(
        "Address families to offer. Left out: the family of `address`; both with `interface`, and where `bgp.mpbgp.nextHop` is set.",
      ),
    nodeSelector: nodeSelector()
      .optional()
      .describe("Only on nodes that carry all of these labels; followed while they change. Left out: on all nodes."),
    ...sessionKeys,
  })
  .refine((it) => (it.address === undefined) !== (it.interface === undefined), {
    error: "needs address or interface, and not both",
  });
export type Peer = z.output<typeof Peer>;

/** One entry of `bgp.dynamicNeighbours`. */
export const DynamicNeighbour = z.strictObject({
  name: peerName().describe("Peers are called by this name and their address."),
  prefix: text()
    .transform((value, context): Prefix => {
      const found = parsePrefix(value);
      if (found !== null) return found;
      context.addIssue({
        code: "custom",
        message: `must be a prefix such as 10.0.0.0/24 (got "${value.slice(0, 60)}")`,
      });
      return z.NEVER;
    })
    .describe("Routers that connect from within this prefix are peers."),
  as: remoteAs().describe("Their AS number; `external`: any but ours, `internal`: ours."),
  limit: wholeNumber(1, 1024).default(16).describe("Sessions at one time; further connections are refused."),
  multihop: multihop(),
  families: families().optional().describe("Address families to offer. Left out: the family of `prefix`."),
  ...sessionKeys,
});
export type DynamicNeighbour = z.output<typeof DynamicNeighbour>;
