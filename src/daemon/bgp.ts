import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { type IpAddress, type Ipv4, type Ipv6, isIpv6, isLinkLocal, ip } from "../addr/ip.ts";
import { type LocalSpeaker, Speaker, type SpeakerDeps } from "../bgp/session/speaker.ts";
import { Asn } from "../bgp/wire/asn.ts";
import type { BgpSettings, NodeBgp, NodeMarks, PeerSettings, SessionSettings } from "../config/settings.ts";
import { sessionsOf } from "../config/settings-sessions.ts";
import type { SecretSource } from "../config/settings-policy.ts";
import { RouterDiscovery, type RouterLink } from "../l2/session/router-discovery.ts";
import type { Clock, Entropy } from "../ports/clock.ts";
import type { KernelNetwork, Link } from "../ports/network.ts";
import type { RouterSegments } from "../ports/router-segment.ts";
import type { Dialer, Listener } from "../ports/stream.ts";
import type { ReadForeignSockets } from "../ports/tcp-table.ts";
import { emit } from "../telemetry/events.ts";
import { KernelView } from "./kernel-view.ts";
import { ForeignSpeakers, type SoughtPeer } from "./foreign-speakers.ts";
import { dynamicNeighboursOf, neighboursOf, onLinkOf, type PeerFacts, peerConfigOf, routerIdOf } from "./peers.ts";
import type { RestartNoteFile } from "./restart-note.ts";
import { Secrets, type SecretsDeps } from "./secrets.ts";

export interface BgpParts {
  readonly settings: BgpSettings;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  readonly network: KernelNetwork;
  readonly dialer: Dialer;
  readonly listener: Listener;
  readonly readTcpCounters?: SpeakerDeps["readTcpCounters"];
  /** Left out: nobody looks for other speakers on this node. */
  readonly readForeignSockets?: ReadForeignSockets;
  readonly routerSegments: RouterSegments;
  readonly secrets: Omit<SecretsDeps, "clock">;
  readonly note: Pick<RestartNoteFile, "read" | "write" | "remove">;
  /** Not everything is announced under an election: what is, may be another node's by the time this one is back. */
  readonly hasLastingRoutes: boolean;
}

const ANY_ADDRESS: readonly IpAddress[] = [ip("0.0.0.0"), ip("::")];
/** Of a speaker that has no sessions yet. */
const NO_ROUTER_ID = ip("0.0.0.0") as Ipv4;
const UNDECIDED = "this node may have it or not: the labels of its Node are not known yet";

/** Who this node is to its peers. */
interface Local {
  readonly localAs: number;
  readonly routerId: Ipv4;
}

/** What PeerBfd wants to know. */
type OwnPeers = Pick<BgpSettings, "peers" | "dynamicNeighbours">;

/**
 * Keeps the speaker's peers what the configuration says with what only the running machine and its Node know: secrets,
 * the routers on the links, addresses of interfaces, labels and annotations. Any of these may change at any time, and
 * touches only the peers that it is about; with another AS or router id that is all of them.
 */
export class BgpRuntime {
  readonly speaker: Speaker;
  readonly #parts: BgpParts;
  readonly #kernel: KernelView;
  /** The machine's, where the configuration has none. Null where the Node has it. */
  readonly #routerId: Ipv4 | null;
  readonly #discovery: RouterDiscovery;
  readonly #foreign: ForeignSpeakers | null;
  /** At the start: later ones are our own. */
  readonly #hasLeftovers: boolean;
  readonly #listeners: ((peers: OwnPeers) => void)[] = [];
  #marks: NodeMarks | null = null;
  #node: NodeBgp;
  /** Null as long as the Node has not said it. */
  #local: Local | null = null;
  #isResumed = false;
  #secrets: Secrets | null = null;
  #isOpen = false;
  #isStopped = false;

  /** @throws Error that says what to set when this node has no router id */
  constructor(parts: BgpParts) {
    const { settings, network, clock, entropy, log, dialer, readTcpCounters } = parts;
    this.#parts = parts;
    this.#kernel = new KernelView(network, log);
    this.#routerId = settings.annotated === null ? routerIdOf(settings, network) : null;
    this.#hasLeftovers = this.#leavesRoutes() && this.#kernel.addresses().some((it) => it.owned);
    this.#node = settings.onNode?.(null, new Map()) ?? onEveryNode(settings);
    this.#takeLocal();
    this.speaker = new Speaker(
      {
        ...{ clock, entropy, dialer, log },
        localAddresses: neighboursOf(this.#kernel),
        isOnLink: onLinkOf(this.#kernel),
        ...(readTcpCounters ? { readTcpCounters } : {}),
      },
      this.#localSpeaker(),
    );
    const segments = parts.routerSegments;
    this.#discovery = new RouterDiscovery({ clock, entropy, segments, log }, () => this.#setPeers());
    this.speaker.onChange(() => this.#tellDiscovery());
    const { readForeignSockets: read } = parts;
    this.#foreign = read
      ? new ForeignSpeakers({ clock, read, peers: () => this.#soughtPeers(), onChange: () => this.#foreignChanged() })
      : null;
  }

  /** This start goes on with the routes of the process before. */
  get isResumed(): boolean {
    return this.#isResumed;
  }

  /** What is wrong with what the Node says, and who else speaks BGP here. */
  get troubles(): readonly string[] {
    return [...this.#node.troubles, ...(this.#foreign?.troubles ?? [])];
  }

  /** `listener` is called with the peers that this node has: at once, and after each change. */
  onPeers(listener: (peers: OwnPeers) => void): void {
    this.#listeners.push(listener);
    listener(this.#ownPeers());
  }

  /** @param marks  of the Node of this node; null while it is not known, or no more: then it goes on as it was */
  setNode(marks: NodeMarks | null): void {
    const { onNode } = this.#parts.settings;
    if (this.#isStopped || onNode === null || marks === null || isDeepStrictEqual(marks, this.#marks)) return;
    this.#marks = marks;
    const before = this.#node;
    this.#node = onNode(marks, before.kept);
    const isNew = this.#takeLocal();
    this.#logNode(before, isNew);
    for (const listener of this.#listeners) listener(this.#ownPeers());
    if (!this.#isOpen) return;
    if (isNew) this.#note(null);
    this.#discovery.setLinks(this.#links());
    this.#setPeers();
  }

  /**
   * Starts the sessions, and listens where the configuration says so.
   *
   * @throws Error when an address to listen on cannot be had
   */
  async open(): Promise<void> {
    const { settings, clock, secrets, listener } = this.#parts;
    this.#secrets = new Secrets(secretsOf(settings), { ...secrets, clock }, () => this.#setPeers());
    this.#isOpen = true;
    // From here on a process that is killed leaves routes behind: at routers that agreed to wait for it.
    if (this.#local !== null) this.#note(null);
    this.#discovery.setLinks(this.#links());
    // Before the first attempt: that might be the one that ends another's session.
    this.#foreign?.look();
    this.#setPeers();
    if (settings.listen === null) return;
    const { address: wanted, port } = settings.listen;
    for (const address of wanted === null ? ANY_ADDRESS : [wanted]) {
      try {
        await this.speaker.listen(listener, { address, port });
      } catch (error) {
        throw new Error(`vipcast_bgp_listen: cannot listen on ${address} port ${port}${this.#listenerOn(port)}`, {
          cause: error,
        });
      }
    }
  }

  /** Links or addresses of this machine may have changed. */
  kernelChanged(): void {
    if (!this.#isOpen || !this.#dependsOnKernel()) return;
    this.#discovery.setLinks(this.#links());
    this.#setPeers();
  }

  /**
   * Ends all sessions.
   *
   * @param options.keepRoutes  the next process is to go on where this one ends: routers that agreed to wait are not
   *   told that it goes, and a note is left for it
   */
  async stop(reason: string, options: { readonly keepRoutes: boolean }): Promise<void> {
    // A note that nobody was there to take up is the next start's.
    const wasOpen = this.#isOpen && this.#local !== null;
    this.#isOpen = false;
    this.#isStopped = true;
    this.#secrets?.close();
    this.#discovery.close();
    this.#foreign?.close();
    if (wasOpen && options.keepRoutes) this.#leaveRoutes();
    else if (wasOpen) this.#forgetNote();
    await this.speaker.stop(reason, options);
  }

  get #settings(): BgpSettings | null {
    return this.#node.settings;
  }

  /** @returns whether AS or router id became another */
  #takeLocal(): boolean {
    if (this.#settings === null) return false;
    const { localAs, routerId } = this.#settings;
    const before = this.#local;
    this.#local = { localAs, routerId: routerId ?? this.#routerId! };
    if (isDeepStrictEqual(this.#local, before)) return false;
    // Routes that are kept for another than we are now are lost, and so are ours at peers that knew another.
    this.#isResumed = before === null && this.#isRestart(this.#local);
    return true;
  }

  #localSpeaker(): LocalSpeaker {
    const { localAs, routerId } = this.#local ?? { ...this.#parts.settings, routerId: NO_ROUTER_ID };
    return { localAsn: Asn.of(localAs), routerId, restarted: this.#isResumed };
  }

  #logNode({ settings: before, troubles }: NodeBgp, isNew: boolean): void {
    const { log } = this.#parts;
    for (const trouble of this.#node.troubles)
      if (!troubles.includes(trouble)) emit(log, "bgp.node.wrong", {}, trouble);
    const namesOf = (settings: BgpSettings | null): readonly string[] =>
      (settings?.peers ?? []).map(({ name }) => name);
    const peers = namesOf(this.#settings);
    if (isNew || !isDeepStrictEqual(peers, namesOf(before)))
      emit(log, "bgp.node", { ...this.#local, peers }, "AS and peers of this node");
  }

  #ownPeers(): OwnPeers {
    const { settings, undecided } = this.#node;
    if (settings === null) return { peers: [], dynamicNeighbours: [] };
    return { ...settings, peers: settings.peers.filter(({ name }) => !undecided.has(name)) };
  }

  /** The earlier process left a note, or its addresses are still there: it ended without a chance to take them away. */
  #isRestart({ localAs, routerId }: Local): boolean {
    const { note, clock, log } = this.#parts;
    if (!this.#leavesRoutes()) return false;
    const found = note.read(clock.wallTime().getTime());
    const isNoted = found !== null && found.localAs === localAs && found.routerId === routerId;
    if (!isNoted && !this.#hasLeftovers) return false;
    emit(log, "bgp.resumed", { noted: isNoted }, "goes on with the routes of the process before");
    return true;
  }

  #leavesRoutes = (): boolean => this.#parts.hasLastingRoutes && restartMillis(this.#parts.settings) !== null;

  #leaveRoutes(): void {
    const { settings, clock, log } = this.#parts;
    const millis = restartMillis(settings) ?? 0;
    this.#note(clock.wallTime().getTime() + millis);
    emit(log, "bgp.routes.kept", { seconds: millis / 1000 }, "routes and addresses stay for the next start");
  }

  #note(validUntil: number | null): void {
    if (!this.#leavesRoutes()) return this.#forgetNote();
    const { note, log } = this.#parts;
    try {
      note.write({ ...this.#local!, validUntil });
    } catch (error) {
      // Without it routers may forget the routes a moment early, if they forget them at all.
      emit(log, "bgp.note-failed", { error: String(error) }, "no note could be left for the next start");
    }
  }

  #forgetNote(): void {
    const { note, log } = this.#parts;
    try {
      note.remove();
    } catch (error) {
      emit(log, "bgp.note-failed", { error: String(error) }, "the note for the next start could not be removed");
    }
  }

  #setPeers(): void {
    if (!this.#isOpen || this.#local === null) return;
    const { peers: wanted = [], dynamicNeighbours: ranges = [] } = this.#settings ?? {};
    // Read once for all peers: there may be thousands of addresses.
    const [links, addresses] = this.#dependsOnKernel() ? [this.#kernel.links(), this.#kernel.addresses()] : [[], []];
    const seen = { links: () => links, addresses: () => addresses };
    const peers = wanted.map((peer) => peerConfigOf(peer, this.#factsOf(peer, links), seen));
    // While the labels are not known, peers of several nodes may have one name.
    const byName = new Map(peers.map((peer) => [peer.name, peer]));
    const dynamic = ranges.map((range) => dynamicNeighboursOf(range, this.#passwordOf(range), seen));
    this.speaker.setPeers([...byName.values()], dynamic, this.#localSpeaker());
  }

  /** Unnumbered peers, and next hops of an interface. */
  #dependsOnKernel(): boolean {
    const { peers = [], dynamicNeighbours = [] } = this.#settings ?? {};
    return (
      peers.some(({ address }) => address === null) ||
      [...peers, ...dynamicNeighbours].some(({ nextHop }) => nextHop.kind === "interface")
    );
  }

  /** Interfaces of unnumbered peers, by the peer's name. */
  #interfaces(): ReadonlyMap<string, string> {
    const unnumbered = this.#ownPeers().peers.filter((peer) => peer.address === null);
    return new Map(unnumbered.map((peer) => [peer.name, peer.sourceInterface!]));
  }

  #factsOf(peer: PeerSettings, links: readonly Link[]): PeerFacts {
    const password = this.#passwordOf(peer);
    const undecided = this.#node.undecided.has(peer.name) ? UNDECIDED : null;
    const common = { password, undecided, occupied: this.#foreign?.occupied.get(peer.name) ?? null };
    if (peer.address !== null) return { address: peer.address, ...common };
    const name = peer.sourceInterface!;
    const { router, error } = this.#discovery.status(name);
    if (router !== null) return { address: router, ...common };
    const link = links.find((it) => it.name === name);
    const why = !link
      ? `interface ${name} does not exist`
      : !link.up
        ? `interface ${name} is down`
        : (error ?? `no router has advertised itself on ${name}`);
    return { address: null, notFound: why, ...common };
  }

  #passwordOf({ password }: SessionSettings): PeerFacts["password"] {
    return password && this.#secrets!.read(password);
  }

  /** Peers as another speaker would have them; one that waits for something else is nobody's rival. */
  #soughtPeers(): readonly SoughtPeer[] {
    const established = new Set(
      this.speaker.summaries().flatMap(({ name, state }) => (state === "established" ? name : [])),
    );
    const { peers } = this.#ownPeers();
    return peers.map(({ name, address, port, sourceAddress }) => ({
      ...{ name, address, port, localAddress: sourceAddress, isEstablished: established.has(name) },
    }));
  }

  #foreignChanged(): void {
    const { log } = this.#parts;
    for (const [peer, reason] of this.#foreign!.occupied) emit(log, "bgp.another-speaker", { peer }, reason);
    this.#setPeers();
  }

  #listenerOn(port: number): string {
    const sockets = this.#parts.readForeignSockets?.(new Set([port])) ?? [];
    const owner = sockets.find(({ state, local }) => state === "listening" && local.port === port)?.owner();
    return owner === undefined ? "" : `, which ${owner} has`;
  }

  #tellDiscovery(): void {
    const interfaces = this.#interfaces();
    if (interfaces.size === 0) return;
    for (const { name, state } of this.speaker.summaries()) {
      const interfaceName = interfaces.get(name);
      if (interfaceName !== undefined) this.#discovery.setSession(interfaceName, state === "established");
    }
  }

  /** Where routers are looked for: an interface that is up, with an address that is ours for sure. */
  #links(): ReadonlyMap<string, RouterLink | null> {
    const interfaces = this.#interfaces();
    if (interfaces.size === 0) return new Map();
    const links = this.#kernel.links();
    const addresses = this.#kernel.addresses();
    return new Map(
      [...interfaces.values()].map((name) => {
        const link = links.find((it) => it.name === name);
        if (!link?.up || link.mac === null) return [name, null];
        const own = addresses.find(
          (it) => it.interfaceIndex === link.index && isIpv6(it.address) && isLinkLocal(it.address) && !it.tentative,
        );
        if (!own) return [name, null];
        return [name, { interfaceIndex: link.index, mac: link.mac, linkLocal: own.address as Ipv6 }];
      }),
    );
  }
}

const onEveryNode = (settings: BgpSettings): NodeBgp => ({
  settings,
  undecided: new Set(),
  troubles: [],
  kept: new Map(),
});

/** Of the peers of all nodes: these differ less often than the node's labels. */
const secretsOf = (settings: BgpSettings): readonly SecretSource[] =>
  sessionsOf(settings).flatMap(({ password }) => password ?? []);

/** How long routers keep our routes at most; null where none does. */
function restartMillis(settings: BgpSettings): number | null {
  const all = sessionsOf(settings).flatMap(({ gracefulRestart }) => gracefulRestart ?? []);
  return all.length === 0 ? null : Math.max(...all.map((it) => it.restartTimeSeconds)) * 1000;
}
