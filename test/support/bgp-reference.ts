import * as z from "zod";
import { BFD_ROWS, DynamicNeighbour, GRACEFUL_RESTART_ROWS, Peer } from "../../src/config/schema-peer.ts";
import { Export, ExportRule, Import } from "../../src/config/schema-policy.ts";

/** The part of `docs/config.md` that is about peers. */

interface Described {
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Described>>;
  readonly required?: readonly string[];
  readonly items?: Described;
}

export const PEER_EXAMPLE = `mode: bgp
services:
  enabled: true
bgp:
  localAs: 65010
  listen: ":179"
  passwordSecret: {name: bgp-password, key: tor}
  gracefulRestart: {enabled: true, restartTimeSeconds: 120, keepOnStop: true}
  bfd: {enabled: true, transmitMillis: 100, receiveMillis: 100}
  serviceAttributes:
    communities: ["65010:*", no-export]
    maxPrepend: 3
  peers:
    - name: tor-a
      address: 192.0.2.1
      as: 65001
      ttlSecurity: 1
      export:
        rules:
          - prefixes: [198.51.100.0/24]
            namespaces: [shop]
            labels: {tier: front}
            communities: ["65010:100"]
            med: 10
          - kind: control-plane
            communities: [no-export]
        otherwise: refuse
    - interface: eth1
      as: external
      bfd: {enabled: false}
  dynamicNeighbours:
    - name: leaf
      prefix: 10.8.0.0/24
      as: 65002
      limit: 4
`;

export function bgpReference(): string {
  const peer = described(Peer);
  const onlyRange = new Set(["name", "prefix", "as", "limit", "multihop", "families"]);
  return [
    "## One entry of `bgp.peers`",
    "",
    "Either a map. What is left out comes from the key of the same name under `bgp`, and for `bfd` and `gracefulRestart`",
    "that is so for each key within.",
    "",
    ...table(peer),
    "",
    "`nextHop` has the keys `ipv4` and `ipv6` (addresses), or `interface` (use that interface's addresses).",
    "",
    "Or kube-vip's text, as in `bgp_peers`, where commas separate the peers:",
    "",
    "    <address>:<AS>:<password>:<multihop>:<port>:<mp-bgp options>:<bfd options>",
    "",
    "What follows the AS may be left out. IPv6 addresses stand in brackets, link-local ones with their interface:",
    "`[fe80::1%eth0]:65001`. `unnumbered:<interface>` in place of the address is a peer with `interface`; its AS may be left",
    "out, and is then `external`. MP-BGP options: `mpbgp_nexthop=fixed;mpbgp_ipv4=192.0.2.1;mpbgp_ipv6=[2001:db8::1]`, or",
    "`mpbgp_nexthop=auto_sourceip` or `auto_sourceif`. BFD options: `enabled;receive;transmit;multiplier`, where an interval",
    "below 1000 is in milliseconds and others in microseconds, as kube-vip uses them; the daemon says what it made of them.",
    "A password with a comma or a colon needs the map; in the environment that is `vipcast_bgp_peers`, a JSON array of the",
    "same entries.",
    "",
    "One more peer may be given by `--peerAddress`, `--peerAS`, `--peerPass`, `--multihop`, or `bgp_peeraddress`,",
    "`bgp_peeras` (65000), `bgp_peerpass`, `bgp_multihop`.",
    "",
    "A peer whose password cannot be had (no such file, variable or key in the Secret, or a file that everybody may read) is",
    "not connected to, and `vipcast status` says why. A password that changes is taken without touching other peers. A Secret",
    "that is mounted as files needs `defaultMode: 0400`; for `passwordSecret`, `vipcast manifest rbac` with the same settings",
    "has the right to read that Secret and no other.",
    "",
    "**Unnumbered** peers (`interface`) are found by their router advertisements, and find this node by ours: nothing else on",
    "the host is changed, no address is taken from them and no default route. One router per interface; while it lives another",
    "one on the same link is ignored. When the interface goes down so does the session, at once.",
    "",
    "### `maxPrefixes`",
    "",
    ...table(peer.properties!["maxPrefixes"]!),
    "",
    "### `passwordSecret`",
    "",
    ...table(peer.properties!["passwordSecret"]!),
    "",
    "### `gracefulRestart`, also under `bgp`",
    "",
    ...rows(GRACEFUL_RESTART_ROWS),
    "",
    "### `bfd`, also under `bgp`",
    "",
    ...rows(BFD_ROWS),
    "| `auth` | `type` (`simple`, `md5`, `meticulous-md5`, `sha1`, `meticulous-sha1`), `keyId` and `key`. |",
    "",
    "### `import`",
    "",
    ...table(described(Import)),
    "",
    "An entry of `accept`:",
    "",
    ...table(described(Import).properties!["accept"]!.items!),
    "",
    "### `export`",
    "",
    ...table(described(Export)),
    "",
    "A rule. It matches a VIP that fits all of `prefixes`, `kind`, `namespaces`, `services` and `labels`; what it sets is added",
    "to the communities that the Service asks for by annotation, and replaces numbers.",
    "",
    ...table(described(ExportRule)),
    "",
    "## One entry of `bgp.dynamicNeighbours`",
    "",
    "A router that connects from within the range is a peer called `<name>-<address>`. Beside the keys of a session above:",
    "",
    ...table(described(DynamicNeighbour), (key) => onlyRange.has(key)),
    "",
    "## Annotations of Services",
    "",
    "Each needs `bgp.serviceAttributes` to allow it. What is not allowed, or cannot be read, is left out, and the VIP is",
    "announced without it; `vipcast explain` says so.",
    "",
    "| annotation | value |",
    "| --- | --- |",
    "| `vipcast.io/bgp-communities` | communities with commas, at most 64: `65000:100`, or a name such as `no-export` |",
    "| `vipcast.io/bgp-large-communities` | large communities with commas: `4200000000:1:2` |",
    "| `vipcast.io/bgp-extended-communities` | `rt:65000:100`, `soo:192.0.2.1:1`, or `0x` and 16 hexadecimal digits |",
    "| `vipcast.io/bgp-local-preference` | a number; internal peers |",
    "| `vipcast.io/bgp-med` | a number |",
    "| `vipcast.io/bgp-prepend` | how often our AS is put in front once more |",
    "",
    "Where several Services share one address, communities of all are sent, and of numbers the first by name.",
    "",
    "## An example of BGP",
    "",
    "```yaml",
    `${PEER_EXAMPLE}\`\`\``,
    "",
    "## Stopping and upgrading",
    "",
    "On SIGTERM routes first carry GRACEFUL_SHUTDOWN for `bgp.drainSeconds`, then they are withdrawn, then their addresses go",
    "and the sessions end with a Cease that says why.",
    "",
    "With `bgp.gracefulRestart.keepOnStop` a stop is taken for an upgrade, unless the node is cordoned (`kubectl drain` does",
    "that first) or not ready, the API server is not heard, or the first lists are not in: sessions end without a word,",
    "routers keep the routes for `restartTimeSeconds`, the addresses stay, and the next start goes on from there, as it does",
    "after the daemon was killed. What is gone by then is withdrawn once the first lists of the API server are in; until they",
    "are, however long that takes, routers keep what they have, and `vipcast status` says so. This holds for what every node",
    "announces; a VIP under an election is withdrawn and its Lease given up, as another node is to have it.",
    "",
  ].join("\n");
}

const described = (schema: z.ZodType): Described => z.toJSONSchema(schema, { io: "input" }) as Described;

function table({ properties = {}, required = [] }: Described, isShown = (_key: string): boolean => true): string[] {
  return [
    "| key | default | meaning |",
    "| --- | --- | --- |",
    ...Object.entries(properties)
      .filter(([key]) => isShown(key))
      .map(([key, { description = "", default: fallback }]) => {
        const shown = required.includes(key) ? "required" : defaultText(fallback);
        return `| \`${key}\` | ${shown} | ${description} |`;
      }),
  ];
}

const rows = (all: Readonly<Record<string, { readonly text: string }>>): string[] => [
  "| key | meaning |",
  "| --- | --- |",
  ...Object.entries(all).map(([key, { text }]) => `| \`${key}\` | ${text} |`),
];

/** Nothing where the default says nothing in one word. */
export function defaultText(value: unknown): string {
  if (value === undefined || value === "") return "–";
  if (typeof value === "object") return "–";
  return `\`${JSON.stringify(value).replaceAll('"', "")}\``;
}
