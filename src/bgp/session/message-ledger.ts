import { MESSAGE_TYPE } from "../wire/framing.ts";

type MessageName = keyof typeof MESSAGE_TYPE;

const NAMES: ReadonlyMap<number, MessageName> = new Map(
  Object.entries(MESSAGE_TYPE).map(([name, code]) => [code, name as MessageName]),
);

/** The last message of a kind, whole, and when it came or went. */
export interface Kept {
  readonly octets: Uint8Array;
  readonly time: Date;
}

/** What is kept of one direction for as long as the peer is configured: the ring of the recorder may have lost it. */
export interface Direction {
  /** Messages by type. */
  readonly counts: Readonly<Record<MessageName, number>>;
  readonly lastOpen: Kept | null;
  readonly lastNotification: Kept | null;
}

/** Counts the messages of one direction, and keeps the last OPEN and the last NOTIFICATION as they were. */
export class MessageLedger {
  readonly #counts: Record<MessageName, number> = {
    open: 0,
    update: 0,
    notification: 0,
    keepalive: 0,
    "route-refresh": 0,
  };
  #lastOpen: Kept | null = null;
  #lastNotification: Kept | null = null;

  /** @param octets  a whole message, the ledger's to keep */
  note(octets: Uint8Array, time: Date): void {
    const name = NAMES.get(octets[TYPE_AT] ?? 0);
    if (name === undefined) return;
    this.#counts[name]++;
    if (name === "open") this.#lastOpen = { octets, time };
    if (name === "notification") this.#lastNotification = { octets, time };
  }

  get direction(): Direction {
    return { counts: { ...this.#counts }, lastOpen: this.#lastOpen, lastNotification: this.#lastNotification };
  }
}

const TYPE_AT = 18;
