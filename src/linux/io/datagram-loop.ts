import { Instant } from "../../base/time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DatagramNetwork, DatagramReceiver, ReceivedDatagram } from "../../ports/datagram.ts";
import { interfaceIndexOf, MessageBuffer, PollSet, type WakeSignal } from "./datagram-calls.ts";
import { datagramIn, openReceiver, openSender } from "./datagram-sockets.ts";
import { systemClock } from "./system-clock.ts";

/** A control packet has 52 octets at most; a datagram may be longer, and nobody reads on. */
const DATAGRAM_LENGTH = 256;
/**
 * Datagrams of one socket per turn. A flood is read no faster than this, with a pause after each turn: a thread that
 * goes before all others must leave them something of the processor.
 */
const DATAGRAMS_PER_TURN = 128;
const PAUSE_AFTER_FLOOD_MILLIS = 1;
/** Never no wait at all, so that no mistake in a deadline makes the thread spin. */
const WAIT_MILLIS_MIN = 0.05;
/** A thread in a system call cannot be ended from outside: the process would wait this long for it. */
const WAIT_MILLIS_MAX = 200;

interface LoopAlarm {
  at: Instant | null;
  readonly ring: () => void;
}

interface OpenReceiver {
  readonly fd: number;
  readonly onDatagram: (datagram: ReceivedDatagram) => void;
  /** When its queue was last seen empty: whatever is in it came later. */
  emptyAt: Instant;
}

/**
 * An event loop for a thread that has nothing but datagrams and deadlines: one `ppoll` with nanoseconds in the place of
 * libuv, whose timers round to milliseconds and whose callbacks wait for each other.
 *
 * In each turn everything that has arrived is told before any alarm rings. So who judges silence by an alarm has heard
 * what there was to hear, however late this thread runs, and hears when it really arrived: the kernel notes it.
 */
export class DatagramLoop implements DatagramNetwork {
  readonly clock: Clock;
  readonly #wake: WakeSignal;
  readonly #onWake: () => void;
  readonly #alarms = new Set<LoopAlarm>();
  readonly #receivers = new Set<OpenReceiver>();
  readonly #poll = new PollSet();
  readonly #buffer = new MessageBuffer(DATAGRAM_LENGTH);
  #isFlooded = false;
  #isStopped = false;

  /** @param onWake  called in the loop's thread after `wake` was raised in another */
  constructor(wake: WakeSignal, onWake: () => void) {
    this.#wake = wake;
    this.#onWake = onWake;
    this.clock = {
      now: () => systemClock.now(),
      wallTime: () => systemClock.wallTime(),
      alarm: (ring) => {
        const alarm: LoopAlarm = { at: null, ring };
        this.#alarms.add(alarm);
        return { set: (at) => void (alarm.at = at), close: () => void this.#alarms.delete(alarm) };
      },
    };
    this.#watch();
  }

  openReceiver: DatagramNetwork["openReceiver"] = (options, onDatagram): DatagramReceiver => {
    const receiver = openReceiver(options);
    const entry = { fd: receiver.fd, onDatagram, emptyAt: this.clock.now() };
    this.#receivers.add(entry);
    this.#watch();
    return {
      get droppedCount() {
        return receiver.droppedCount;
      },
      close: () => {
        this.#receivers.delete(entry);
        this.#watch();
        receiver.close();
      },
    };
  };

  openSender: DatagramNetwork["openSender"] = (options) => openSender(options);

  interfaceIndex = (name: string): number | null => interfaceIndexOf(name);

  /** Turns until `stop` is called, from an alarm or a datagram. */
  run(): void {
    while (!this.#isStopped) this.turn();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Waits until something is to be done, and does it. */
  turn(): void {
    const readable = this.#poll.wait(this.#waitMillis());
    this.#isFlooded = false;
    if (readable.length > 0) {
      for (const receiver of this.#receivers)
        if (readable.includes(receiver.fd)) this.#isFlooded = !this.#drain(receiver) || this.#isFlooded;
      if (readable.includes(this.#wake.fd)) {
        this.#wake.clear();
        this.#onWake();
      }
    }
    const now = this.clock.now();
    // Those that ring may arm themselves or others again: for the next turn.
    const due = [...this.#alarms].filter((alarm) => Instant.isDue(alarm.at, now));
    for (const alarm of due) {
      if (!this.#alarms.has(alarm) || !Instant.isDue(alarm.at, now)) continue;
      alarm.at = null;
      alarm.ring();
    }
  }

  #waitMillis(): number {
    const next = Instant.earliest(...[...this.#alarms].map(({ at }) => at));
    const wait = next === null ? WAIT_MILLIS_MAX : next - this.clock.now();
    return Math.min(WAIT_MILLIS_MAX, Math.max(this.#isFlooded ? PAUSE_AFTER_FLOOD_MILLIS : WAIT_MILLIS_MIN, wait));
  }

  /** False when there may be more. */
  #drain(receiver: OpenReceiver): boolean {
    const [now, wallMillis] = [this.clock.now(), this.clock.wallTime().getTime()];
    // The stamp is wall time, which may be set at any moment: it is believed only within what is possible.
    const arrival = (stampMillis: number): Instant =>
      Instant.of(Math.max(receiver.emptyAt, now - Math.max(0, wallMillis - stampMillis)));
    for (let count = 0; count < DATAGRAMS_PER_TURN; count++) {
      if (!this.#buffer.receive(receiver.fd)) {
        receiver.emptyAt = now;
        return true;
      }
      receiver.onDatagram(datagramIn(this.#buffer, arrival));
      // The handler may have closed it.
      if (!this.#receivers.has(receiver)) return true;
    }
    return false;
  }

  #watch(): void {
    this.#poll.set([this.#wake.fd, ...[...this.#receivers].map(({ fd }) => fd)]);
  }
}
