import type { Logger } from "pino";
import { type IpAddress, isIpv4 } from "../../addr/ip.ts";
import type { Mac } from "../../addr/mac.ts";
import { Instant } from "../../base/time.ts";
import type { Alarm, Clock } from "../../ports/clock.ts";
import type { SegmentSocket, Segments, SegmentTaps } from "../../ports/network.ts";
import { emit } from "../../telemetry/events.ts";
import {
  announceRateMillis,
  type Event,
  type Form,
  INITIAL,
  nextDeadline,
  type State,
  step,
} from "../fsm/announcing.ts";
import { claimed, type Conflict } from "../fsm/conflict.ts";
import { gratuitousArp } from "../wire/arp.ts";
import { claimIn } from "../wire/claim.ts";
import { ALL_NODES, unsolicitedAdvertisement } from "../wire/neighbour-advertisement.ts";

/** Where a VIP is held, so that it can be announced there. */
export interface SegmentVip {
  readonly interfaceIndex: number;
  /** Ethernet address of that interface. */
  readonly mac: Mac;
  /** Nothing is sent while the link is down, and all is told again when it is back; up when absent. */
  readonly up?: boolean;
  /** The interface forwards IPv6, so its advertisements say "router" as the kernel's own do. */
  readonly forwardsIpv6?: boolean;
}

export interface SegmentVipStatus {
  readonly vip: IpAddress;
  readonly interfaceIndex: number;
  readonly announcements: number;
  /** Why the last announcement was not sent; null when it was. */
  readonly error: string | null;
  /** Who else claims the VIP; null when nobody was heard to. */
  readonly conflict: { readonly mac: Mac; readonly count: number; readonly at: Instant } | null;
}

/**
 * Announces the VIPs that this node holds, by gratuitous ARP and unsolicited neighbour advertisements, and listens for
 * others that claim one of them. Answering is the kernel's: the VIP is on the interface.
 *
 * A VIP that cannot be announced costs nothing but its own announcement; the next is tried with a new socket.
 */
export class Announcer {
  readonly #clock: Clock;
  readonly #segments: Segments;
  readonly #log: Logger;
  readonly #rateMillis: number;
  readonly #alarm: Alarm;
  readonly #vips = new Map<IpAddress, Entry>();
  readonly #sockets = new Map<number, SegmentSocket>();
  readonly #taps: SegmentTaps;
  /** By interface: what listens there, or why nothing does. */
  readonly #listening = new Map<number, { close(): void }>();
  readonly #deaf = new Map<number, string>();

  /** @param parts.arpRateMillis  between two announcements in the long run: 3000 when absent or below 500 */
  constructor(parts: {
    readonly clock: Clock;
    readonly segments: Segments;
    readonly taps: SegmentTaps;
    readonly log: Logger;
    readonly arpRateMillis?: number;
  }) {
    this.#clock = parts.clock;
    this.#segments = parts.segments;
    this.#taps = parts.taps;
    this.#log = parts.log;
    this.#rateMillis = announceRateMillis(parts.arpRateMillis);
    this.#alarm = parts.clock.alarm(() => {
      for (const entry of this.#vips.values()) this.#dispatch(entry, { type: "time-passed" });
      this.#arm();
    });
  }

  /** From now on exactly these VIPs are announced; new ones, and those whose link changed, before this returns. */
  setVips(vips: ReadonlyMap<IpAddress, SegmentVip>): void {
    for (const address of this.#vips.keys()) if (!vips.has(address)) this.#vips.delete(address);
    for (const [address, vip] of vips) {
      const entry = this.#vips.get(address) ?? {
        address,
        vip,
        state: INITIAL,
        announcements: 0,
        error: null,
        conflict: null,
      };
      entry.vip = vip;
      this.#vips.set(address, entry);
      const { interfaceIndex, mac, up = true } = vip;
      this.#dispatch(entry, { type: "held", link: { interfaceIndex, mac, up } });
    }
    const used = new Set([...vips.values()].map((vip) => vip.interfaceIndex));
    for (const index of this.#sockets.keys()) if (!used.has(index)) this.#drop(index);
    this.#listen(used);
    this.#arm();
  }

  status(): readonly SegmentVipStatus[] {
    return [...this.#vips.values()].map(({ address, vip, announcements, error, conflict }) => ({
      vip: address,
      interfaceIndex: vip.interfaceIndex,
      announcements,
      error,
      conflict: conflict && { mac: conflict.mac, count: conflict.count, at: conflict.at },
    }));
  }

  close(): void {
    this.#alarm.close();
    this.#vips.clear();
    for (const index of this.#sockets.keys()) this.#drop(index);
    this.#listen(new Set());
  }

  /** Opens and closes taps so that they are those of `wanted`; what cannot be opened is tried again with the next VIPs. */
  #listen(wanted: ReadonlySet<number>): void {
    for (const index of this.#deaf.keys()) if (!wanted.has(index)) this.#deaf.delete(index);
    for (const [index, tap] of this.#listening) {
      if (wanted.has(index)) continue;
      tap.close();
      this.#listening.delete(index);
    }
    for (const index of wanted) {
      if (this.#listening.has(index)) continue;
      try {
        this.#listening.set(
          index,
          this.#taps.open(index, (frame) => this.#hear(index, frame)),
        );
        this.#deaf.delete(index);
      } catch (cause) {
        const error = cause instanceof Error ? cause.message : String(cause);
        if (this.#deaf.get(index) === error) continue;
        this.#deaf.set(index, error);
        emit(this.#log, "l2.listen.failed", { interfaceIndex: index, error }, "others' claims to VIPs are not heard");
      }
    }
  }

  #hear(interfaceIndex: number, frame: Uint8Array): void {
    const claim = claimIn(frame);
    const entry = claim && this.#vips.get(claim.address);
    if (!claim || entry?.vip.interfaceIndex !== interfaceIndex || claim.mac === entry.vip.mac) return;
    const { conflict, defend, report } = claimed(entry.conflict, claim.mac, this.#clock.now());
    entry.conflict = conflict;
    if (report) {
      const fields = { vip: claim.address, interfaceIndex, mac: claim.mac, count: conflict.count };
      emit(this.#log, "l2.conflict", fields, `${claim.mac} claims ${claim.address}, which this node holds`);
    }
    if (defend) this.#announce(entry, "request");
  }

  #dispatch(entry: Entry, event: Event): void {
    const { state, announce } = step(entry.state, event, this.#clock.now(), this.#rateMillis);
    entry.state = state;
    if (announce !== null) this.#announce(entry, announce);
  }

  #announce(entry: Entry, form: Form): void {
    const { address, vip } = entry;
    let error: string | null = null;
    try {
      this.#send(address, vip, form);
      entry.announcements++;
    } catch (cause) {
      error = cause instanceof Error ? cause.message : String(cause);
      // The interface may have been made anew: the next attempt opens another socket.
      this.#drop(vip.interfaceIndex);
    }
    if (error === entry.error) return;
    entry.error = error;
    const fields = { vip: address, interfaceIndex: vip.interfaceIndex };
    if (error !== null) emit(this.#log, "l2.announce.failed", { ...fields, error }, "VIP could not be announced");
    else emit(this.#log, "l2.announce.recovered", fields, "VIP announced again");
  }

  #send(address: IpAddress, vip: SegmentVip, form: Form): void {
    const socket = this.#sockets.get(vip.interfaceIndex) ?? this.#segments.open(vip.interfaceIndex);
    this.#sockets.set(vip.interfaceIndex, socket);
    if (isIpv4(address)) socket.sendFrame(gratuitousArp(form, address, vip.mac));
    else {
      const message = unsolicitedAdvertisement(address, vip.mac, vip.forwardsIpv6 ?? false);
      socket.sendIcmpv6(message, ALL_NODES);
    }
  }

  #drop(interfaceIndex: number): void {
    this.#sockets.get(interfaceIndex)?.close();
    this.#sockets.delete(interfaceIndex);
  }

  #arm(): void {
    let first: Instant | null = null;
    for (const entry of this.#vips.values()) first = Instant.earliest(first, nextDeadline(entry.state));
    this.#alarm.set(first);
  }
}

interface Entry {
  readonly address: IpAddress;
  vip: SegmentVip;
  state: State;
  announcements: number;
  error: string | null;
  conflict: Conflict | null;
}
