import { parsePlace } from "./peer-text.ts";
import { ipv4Address } from "./leaves.ts";
import { resolvePeer, resolvePeers, resolveRanges } from "./resolve-peers.ts";
import type { Report } from "./resolve-session.ts";
import { type Config, Peer } from "./schema.ts";
import { asNumber } from "./schema-peer.ts";
import type { BgpSettings, KeptAnnotations, NodeBgp, NodeMarks, OnNode } from "./settings.ts";
import { splitList } from "./text.ts";

type Bgp = Config["bgp"];

/** As many as a file may have. */
const PEERS_MAX = 1024;
/** An annotation may have 256 KiB, and what is said of it goes into the log. */
const SENTENCE_LENGTH_MAX = 240;

/** How the text of one annotation is read: undefined where it cannot be. */
interface Rule<T> {
  readonly read: (text: string) => T | undefined;
  /** Completes "must be". */
  readonly must: string;
  /** The value without the annotation; one that has none is needed. */
  readonly absent?: T;
}

const AS_NUMBER: Rule<number> = {
  read: (text) => (/^\d{1,10}$/.test(text) ? asNumber().safeParse(Number(text)).data : undefined),
  must: "an AS number",
};
const IPV4_ADDRESS = { read: (text: string) => ipv4Address().safeParse(text).data, must: "an IPv4 address" };
const PASSWORD: Rule<string> = { read: readPassword, must: "a password of 1 to 80 octets in base64", absent: "" };
const BOOL: Rule<boolean> = {
  read: (text) => (text === "true" ? true : text === "false" ? false : undefined),
  must: "true or false",
  absent: false,
};

/**
 * Peers from annotations of the own Node, with kube-vip's names: `<prefix>/node-asn` or `<prefix>/bgp-peers-0-node-asn`,
 * `src-ip`, `peer-asn`, `bgp-pass` and `peer-multi-hop` likewise, and any number of `peer-ip` or `bgp-peers-<n>-peer-ip`,
 * each with one address or several.
 *
 * Unlike kube-vip's they are followed. One that cannot be read costs what it says, and nothing else: what it said before
 * stays in use. A node without any `peer-ip` has no peers.
 */
export function byAnnotations(bgp: Bgp, prefix: string, settings: BgpSettings): OnNode {
  return (node, kept) => {
    if (node !== null) return new Reading(bgp, prefix, node.annotations, kept).result(settings);
    const troubles = [`waits for the Node of this node: its annotations ${prefix}/… name the peers`];
    return { settings: null, undecided: new Set(), troubles, kept };
  };
}

/** One look at the annotations. */
class Reading {
  readonly #bgp: Bgp;
  readonly #prefix: string;
  readonly #annotations: NodeMarks["annotations"];
  /** Keys of those with addresses, in the order of their numbers. */
  readonly #lists: readonly string[];
  readonly #before: KeptAnnotations;
  readonly #kept = new Map<string, string>();
  readonly #missing: string[] = [];
  readonly #troubles: string[] = [];

  constructor(bgp: Bgp, prefix: string, annotations: NodeMarks["annotations"], before: KeptAnnotations) {
    this.#bgp = bgp;
    this.#prefix = prefix;
    this.#annotations = annotations;
    this.#lists = listsIn(prefix, annotations);
    // Who takes all peers away begins anew.
    this.#before = this.#lists.length === 0 ? new Map() : before;
  }

  result(settings: BgpSettings): NodeBgp {
    const localAs = this.#value("node-asn", AS_NUMBER);
    const source = this.#value("src-ip", IPV4_ADDRESS);
    const as = this.#value("peer-asn", AS_NUMBER);
    const password = this.#value("bgp-pass", PASSWORD);
    const multihop = this.#value("peer-multi-hop", BOOL);
    if (this.#lists.length === 0) this.#missing.push(`${this.#prefix}/peer-ip`);
    if (this.#missing.length > 0)
      this.#troubles.push(`the Node lacks ${this.#missing.join(", ")}: BGP has no peers before they are there`);
    const isComplete = ![localAs, source, as, password, multihop].includes(undefined);
    if (this.#lists.length === 0 || !isComplete)
      return { settings: null, undecided: new Set(), troubles: this.#troubles, kept: this.#kept };
    const own: Bgp = { ...this.#bgp, localAs: localAs!, sourceAddress: source! };
    const like = { as: as!, multihop: multihop!, ...(password === "" ? {} : { password: password! }) };
    const report: Report = (_path, what) => this.#say(what);
    const found = this.#peers(like, own);
    if (found.length > PEERS_MAX) this.#say(`only the first ${PEERS_MAX} peers are used`);
    const peers = resolvePeers(found.slice(0, PEERS_MAX), own, report, () => undefined);
    const dynamicNeighbours = resolveRanges(own, report);
    return {
      settings: { ...settings, localAs: localAs!, routerId: source!, peers, dynamicNeighbours },
      undecided: new Set(),
      troubles: this.#troubles,
      kept: this.#kept,
    };
  }

  /** Undefined when there is none, not even from before. */
  #value<T>(name: string, { read, must, absent }: Rule<T>): T | undefined {
    const keys = [`${this.#prefix}/${name}`, `${this.#prefix}/bgp-peers-0-${name}`];
    const key = keys.find((it) => (this.#annotations[it] ?? "").trim() !== "");
    const meaning = (text: string): T | undefined => (text === "" ? absent : read(text));
    const text = key === undefined ? "" : this.#annotations[key]!.trim();
    const value = meaning(text);
    if (value !== undefined) {
      this.#kept.set(name, text);
      return value;
    }
    const before = this.#before.get(name);
    if (before !== undefined) this.#kept.set(name, before);
    const kept = before === undefined ? "; BGP has no peers before it is right" : "; what it said before is kept";
    if (key !== undefined) this.#say(`annotation ${key} must be ${must}${kept}`);
    else if (before === undefined) this.#missing.push(keys[0]!);
    else this.#say(`annotation ${keys[0]} is gone; what it said before is kept`);
    return before === undefined ? undefined : meaning(before);
  }

  #peers(like: Pick<Peer, "as" | "multihop" | "password">, own: Bgp): readonly Peer[] {
    return this.#lists.flatMap((key) => {
      const text = this.#annotations[key]!;
      const { peers, problems } = peersIn(text, like, own);
      const before = this.#before.get(key);
      const isKept = problems.length > 0 && before !== undefined;
      if (problems.length === 0) this.#kept.set(key, text);
      else if (isKept) this.#kept.set(key, before);
      for (const problem of problems)
        this.#say(`annotation ${key}: ${problem}${isKept ? "; what it said before is kept" : ""}`);
      return isKept ? peersIn(before, like, own).peers : peers;
    });
  }

  #say(sentence: string): void {
    this.#troubles.push(sentence.slice(0, SENTENCE_LENGTH_MAX));
  }
}

function listsIn(prefix: string, annotations: NodeMarks["annotations"]): readonly string[] {
  const numberOf = (key: string): number | null => {
    const name = key.startsWith(`${prefix}/`) ? key.slice(prefix.length + 1) : "";
    if (name === "peer-ip") return -1;
    const match = /^bgp-peers-(\d{1,9})-peer-ip$/.exec(name);
    return match && Number(match[1]);
  };
  return Object.entries(annotations)
    .flatMap(([key, text]) => {
      const number = numberOf(key);
      return number === null || splitList(text).length === 0 ? [] : [{ key, number }];
    })
    .toSorted((a, b) => a.number - b.number)
    .map(({ key }) => key);
}

/** The peers of a list, without those that could not be, and why. */
function peersIn(
  text: string,
  like: Pick<Peer, "as" | "multihop" | "password">,
  own: Bgp,
): { readonly peers: readonly Peer[]; readonly problems: readonly string[] } {
  const peers: Peer[] = [];
  const problems: string[] = [];
  for (const word of splitList(text)) {
    const { address, zone } = parsePlace(word);
    const checked = Peer.safeParse({ ...like, address, ...(zone === null ? {} : { sourceInterface: zone }) });
    const found = checked.success ? [] : checked.error.issues.map(({ message }) => message);
    if (checked.success)
      resolvePeer(
        checked.data,
        own,
        [],
        (_path, what) => found.push(what),
        () => undefined,
      );
    if (checked.success && found.length === 0) peers.push(checked.data);
    problems.push(...found.map((what) => (what.includes(word) ? what : `${word} ${what}`)));
  }
  return { peers, problems };
}

/** kube-vip takes what was encoded as it is, a line break at its end included. */
function readPassword(text: string): string | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return undefined;
  return Peer.shape.password.safeParse(Buffer.from(text, "base64").toString()).data;
}
