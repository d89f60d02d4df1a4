import type { Logger } from "pino";
import { type IpAddress, type Ipv6, isIpv6, isLinkLocal, ip } from "../addr/ip.ts";
import { Speaker, type SpeakerDeps } from "../bgp/session/speaker.ts";
import { Asn } from "../bgp/wire/asn.ts";
import type { BgpSettings, PeerSettings, SessionSettings } from "../config/settings.ts";
import type { SecretSource } from "../config/settings-policy.ts";
import { RouterDiscovery, type RouterLink } from "../l2/session/router-discovery.ts";
import type { Clock, Entropy } from "../ports/clock.ts";
import type { KernelNetwork, Link } from "../ports/network.ts";
import type { RouterSegments } from "../ports/router-segment.ts";
import type { Dialer, Listener } from "../ports/stream.ts";
import { emit } from "../telemetry/events.ts";
import { KernelView } from "./kernel-view.ts";
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
  readonly routerSegments: RouterSegments;
  readonly secrets: Omit<SecretsDeps, "clock">;
  readonly note: Pick<RestartNoteFile, "read" | "write" | "remove">;
  /** Not everything is announced under an election: what is, may be another node's by the time this one is back. */
  readonly hasLastingRoutes: boolean;
}

const ANY_ADDRESS: readonly IpAddress[] = [ip("0.0.0.0"), ip("::")];

/**
 * Keeps the speaker's peers what the configuration says with what only the running machine knows: secrets, the routers
 * on the links, addresses of interfaces. Any of these may change at any time, and touches only the peers that it is
 * about.
 */
export class BgpRuntime {
  readonly speaker: Speaker;
  /** This start goes on with the routes of the process before. */
  readonly isResumed: boolean;
  readonly #parts: BgpParts;
  readonly #kernel: KernelView;
  readonly #routerId: string;
  readonly #discovery: RouterDiscovery;
  /** Interfaces of unnumbered peers, by the peer's name. */
  readonly #interfaces: ReadonlyMap<string, string>;
  /** Unnumbered peers, and next hops of an interface. */
  readonly #dependsOnKernel: boolean;
  #secrets: Secrets | null = null;
  #isOpen = false;

  /** @throws Error that says what to set when this node has no router id */
  constructor(parts: BgpParts) {
    const { settings, network, clock, entropy, log, dialer, readTcpCounters } = parts;
    this.#parts = parts;
    this.#kernel = new KernelView(network, log);
    const routerId = routerIdOf(settings, network);
    this.#routerId = routerId;
    this.isResumed = this.#isRestart(routerId);
    this.speaker = new Speaker(
      {
        ...{ clock, entropy, dialer, log },
        localAddresses: neighboursOf(this.#kernel),
        isOnLink: onLinkOf(this.#kernel),
        ...(readTcpCounters ? { readTcpCounters } : {}),
      },
      { localAsn: Asn.of(settings.localAs), routerId, restarted: this.isResumed },
    );
    const unnumbered = settings.peers.filter((peer) => peer.address === null);
    this.#interfaces = new Map(unnumbered.map((peer) => [peer.name, peer.sourceInterface!]));
    const all = [...settings.peers, ...settings.dynamicNeighbours];
    this.#dependsOnKernel = unnumbered.length > 0 || all.some(({ nextHop }) => nextHop.kind === "interface");
    const segments = parts.routerSegments;
    this.#discovery = new RouterDiscovery({ clock, entropy, segments, log }, () => this.#setPeers());
    this.speaker.onChange(() => this.#tellDiscovery());
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
    this.#note(null);
    this.#discovery.setLinks(this.#links());
    this.#setPeers();
    if (settings.listen === null) return;
    const { address: wanted, port } = settings.listen;
    for (const address of wanted === null ? ANY_ADDRESS : [wanted]) {
      try {
        await this.speaker.listen(listener, { address, port });
      } catch (error) {
        throw new Error(`vipcast_bgp_listen: cannot listen on ${address} port ${port}`, { cause: error });
      }
    }
  }

  /** Links or addresses of this machine may have changed. */
  kernelChanged(): void {
    if (!this.#isOpen || !this.#dependsOnKernel) return;
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
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#secrets?.close();
    this.#discovery.close();
    if (wasOpen && options.keepRoutes) this.#leaveRoutes();
    else if (wasOpen) this.#forgetNote();
    await this.speaker.stop(reason, options);
  }

  /** The earlier process left a note, or its addresses are still there: it ended without a chance to take them away. */
  #isRestart(routerId: string): boolean {
    const { settings, note, clock, log } = this.#parts;
    if (!this.#leavesRoutes()) return false;
    const found = note.read(clock.wallTime().getTime());
    const isNoted = found !== null && found.localAs === settings.localAs && found.routerId === routerId;
    const isLeft = this.#kernel.addresses().some((it) => it.owned);
    if (!isNoted && !isLeft) return false;
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
    const { settings, note, log } = this.#parts;
    try {
      note.write({ localAs: settings.localAs, routerId: this.#routerId, validUntil });
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
    if (!this.#isOpen) return;
    const { settings } = this.#parts;
    // Read once for all peers: there may be thousands of addresses.
    const [links, addresses] = this.#dependsOnKernel ? [this.#kernel.links(), this.#kernel.addresses()] : [[], []];
    const seen = { links: () => links, addresses: () => addresses };
    const peers = settings.peers.map((peer) => peerConfigOf(peer, this.#factsOf(peer, links), seen));
    const ranges = settings.dynamicNeighbours.map((range) => dynamicNeighboursOf(range, this.#passwordOf(range), seen));
    this.speaker.setPeers(peers, ranges);
  }

  #factsOf(peer: PeerSettings, links: readonly Link[]): PeerFacts {
    const password = this.#passwordOf(peer);
    if (peer.address !== null) return { address: peer.address, password };
    const name = peer.sourceInterface!;
    const { router, error } = this.#discovery.status(name);
    if (router !== null) return { address: router, password };
    const link = links.find((it) => it.name === name);
    const why = !link
      ? `interface ${name} does not exist`
      : !link.up
        ? `interface ${name} is down`
        : (error ?? `no router has advertised itself on ${name}`);
    return { address: null, notFound: why, password };
  }

  #passwordOf({ password }: SessionSettings): PeerFacts["password"] {
    return password && this.#secrets!.read(password);
  }

  #tellDiscovery(): void {
    if (this.#interfaces.size === 0) return;
    for (const { name, state } of this.speaker.summaries()) {
      const interfaceName = this.#interfaces.get(name);
      if (interfaceName !== undefined) this.#discovery.setSession(interfaceName, state === "established");
    }
  }

  /** Where routers are looked for: an interface that is up, with an address that is ours for sure. */
  #links(): ReadonlyMap<string, RouterLink | null> {
    if (this.#interfaces.size === 0) return new Map();
    const links = this.#kernel.links();
    const addresses = this.#kernel.addresses();
    return new Map(
      [...this.#interfaces.values()].map((name) => {
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

function secretsOf({ peers, dynamicNeighbours }: BgpSettings): readonly SecretSource[] {
  return [...peers, ...dynamicNeighbours].flatMap(({ password }) => password ?? []);
}

/** How long routers keep our routes at most; null where none does. */
function restartMillis({ peers, dynamicNeighbours }: BgpSettings): number | null {
  const all = [...peers, ...dynamicNeighbours].flatMap(({ gracefulRestart }) => gracefulRestart ?? []);
  return all.length === 0 ? null : Math.max(...all.map((it) => it.restartTimeSeconds)) * 1000;
}
