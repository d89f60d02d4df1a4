import type { ByteStream } from "../../ports/stream.ts";
import type { Slot } from "../fsm/collision.ts";
import { Link, type LinkOwner } from "./link.ts";

export const SLOTS = ["outgoing", "incoming"] as const satisfies readonly Slot[];
/** Connections of one peer that may still be closing when it opens another. */
const CLOSING_COUNT_MAX = 8;

/** The TCP connections with one peer: the two that may become a session, and those that were dropped and still close. */
export class PeerLinks {
  readonly #owner: LinkOwner;
  readonly #links: Record<Slot, Link | null> = { outgoing: null, incoming: null };
  readonly #closing = new Set<Link>();

  constructor(owner: LinkOwner) {
    this.#owner = owner;
  }

  /** Null before the connection is there, too. */
  stream(slot: Slot): ByteStream | null {
    return this.#links[slot]?.stream ?? null;
  }

  /** The link of a stream that was accepted, unless it was dropped again. */
  of(accepted: ByteStream): Link | null {
    const { incoming } = this.#links;
    return incoming?.stream === accepted ? incoming : null;
  }

  slotOf(link: Link): Slot | null {
    return SLOTS.find((slot) => this.#links[slot] === link) ?? null;
  }

  /** Those of which messages wait for their turn. */
  get held(): readonly Link[] {
    return SLOTS.map((slot) => this.#links[slot]).filter((link) => link?.isHeld === true) as Link[];
  }

  /** True when nothing of an earlier connection is left. */
  get isQuiet(): boolean {
    return this.#closing.size === 0;
  }

  /** True when there is no connection, and no attempt at one. */
  get isVacant(): boolean {
    return this.isQuiet && SLOTS.every((slot) => this.#links[slot] === null);
  }

  /** True when so many are closing that the peer has to wait with its next one. */
  get isFull(): boolean {
    return this.#closing.size >= CLOSING_COUNT_MAX;
  }

  /** A link for a connection to be dialled, or for one that was accepted. */
  open(slot: Slot, accepted: ByteStream | null): Link {
    const link = new Link(this.#owner, accepted);
    this.#links[slot] = link;
    return link;
  }

  /** What was the incoming connection is the outgoing one from here on. */
  shift(): void {
    this.#links.outgoing = this.#links.incoming;
    this.#links.incoming = null;
  }

  /** @param abort  reset at once, instead of flushed and half-closed */
  drop(slot: Slot, abort: boolean): void {
    const link = this.#links[slot];
    this.#links[slot] = null;
    if (link?.drop(abort)) this.#closing.add(link);
  }

  /** A link has told its end. */
  forget(link: Link): void {
    this.#closing.delete(link);
  }

  /** Resets what is still closing. */
  destroy(): void {
    for (const link of this.#closing) link.drop(true);
  }
}
