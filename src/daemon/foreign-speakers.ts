import type { IpAddress } from "../addr/ip.ts";
import { Instant } from "../base/time.ts";
import type { Alarm, Clock } from "../ports/clock.ts";
import type { ForeignSocket, ReadForeignSockets } from "../ports/tcp-table.ts";

export interface SoughtPeer {
  readonly name: string;
  /** Null while it is not known. */
  readonly address: IpAddress | null;
  readonly port: number;
  /** Null: the kernel chooses. */
  readonly localAddress: IpAddress | null;
  readonly isEstablished: boolean;
}

/** While a session is missing: another speaker may be the reason, or may have gone. */
const LOOK_MILLIS = 5_000;
const LOOK_CALMLY_MILLIS = 60_000;

/**
 * Looks for another BGP speaker on this node. A router takes two speakers with one address for one that connects twice
 * (RFC 4271 §6.8), and either ends the other's session: so a peer is left alone that another process has a session with
 * already.
 */
export class ForeignSpeakers {
  readonly #clock: Clock;
  readonly #read: ReadForeignSockets;
  readonly #peers: () => readonly SoughtPeer[];
  readonly #onChange: () => void;
  readonly #alarm: Alarm;
  #occupied: ReadonlyMap<string, string> = new Map();
  #troubles: readonly string[] = [];

  /** @param onChange  what is occupied, or who it is, is another */
  constructor(deps: {
    readonly clock: Clock;
    readonly read: ReadForeignSockets;
    readonly peers: () => readonly SoughtPeer[];
    readonly onChange: () => void;
  }) {
    this.#clock = deps.clock;
    this.#read = deps.read;
    this.#peers = deps.peers;
    this.#onChange = deps.onChange;
    this.#alarm = deps.clock.alarm(() => this.look());
  }

  /** Why a peer is to be left alone, by its name. */
  get occupied(): ReadonlyMap<string, string> {
    return this.#occupied;
  }

  get troubles(): readonly string[] {
    return this.#troubles;
  }

  /** Looks now, and from now on again and again. */
  look(): void {
    const peers = this.#peers();
    const isCalm = peers.every(({ isEstablished }) => isEstablished);
    this.#alarm.set(Instant.add(this.#clock.now(), isCalm ? LOOK_CALMLY_MILLIS : LOOK_MILLIS));
    const sockets = this.#read(new Set(peers.map(({ port }) => port)));
    const occupied = new Map<string, string>();
    const troubles: string[] = [];
    for (const peer of peers) {
      const rival = sockets.find((socket) => isRival(socket, peer));
      if (rival === undefined) continue;
      const owner = rival.owner();
      if (peer.isEstablished) troubles.push(`${owner} on this node tries for a session with ${peer.name}, too`);
      else occupied.set(peer.name, `${owner} on this node has a session with ${peer.address} already`);
    }
    const isNews = JSON.stringify([...this.#occupied]) !== JSON.stringify([...occupied]);
    this.#occupied = occupied;
    this.#troubles = [...occupied.values(), ...troubles];
    if (isNews) this.#onChange();
  }

  close(): void {
    this.#alarm.close();
  }
}

/** The router cannot tell them apart: same addresses, and BGP's port at either end. */
function isRival({ state, local, remote }: ForeignSocket, peer: SoughtPeer): boolean {
  if (state !== "connected" || remote.address !== peer.address) return false;
  const isBgp = remote.port === peer.port || local.port === peer.port;
  return isBgp && (peer.localAddress === null || peer.localAddress === local.address);
}
