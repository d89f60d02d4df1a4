import type { IpAddress } from "../../src/addr/ip.ts";
import type { Mac } from "../../src/addr/mac.ts";
import { claimIn } from "../../src/l2/wire/claim.ts";
import {
  type AddressToAdd,
  type InterfaceAddress,
  type KernelNetwork,
  type Link,
  NetlinkRefused,
  type Segments,
  type SegmentTaps,
} from "../../src/ports/network.ts";
import type { Chance } from "./chance.ts";
import type { Host, Process } from "./host.ts";
import type { Links } from "./links.ts";
import type { Happening, SimTime } from "./time.ts";

export const LOOPBACK = 1;
export const ETHERNET = 2;
/** The kernel looks at lifetimes once a second: seen to be up to 0.4 s late. */
const EXPIRY_LATE_MILLIS = 400;
const ENOBUFS = 105;
const EADDRNOTAVAIL = 99;
/** Readings within one call from the event loop, and within a second: more is a loop that turns for nothing. */
const READS_PER_CALL_MAX = 500;
const READS_PER_SECOND_MAX = 1_500;

interface Held extends InterfaceAddress {
  readonly expiry: Happening | null;
}

export interface KernelEvents {
  /** An address of the daemon appeared, went, or got another lifetime. */
  changed(
    node: SimKernel,
    what: "added" | "extended" | "removed" | "expired",
    address: IpAddress,
    interfaceIndex: number,
  ): void;
  /** An ARP or NDP message about an address leaves the node. */
  claimed(node: SimKernel, address: IpAddress): void;
  trouble(what: string): void;
}

export interface KernelParts {
  readonly time: SimTime;
  readonly host: Host;
  readonly chance: Chance;
  readonly links: Links;
  readonly segment: Segment;
  readonly events: KernelEvents;
  readonly address: IpAddress;
  readonly mac: Mac;
}

/** What a node's kernel has, which outlives the daemon but not the power. */
export class SimKernel {
  readonly host: Host;
  readonly address: IpAddress;
  readonly mac: Mac;
  readonly #parts: KernelParts;
  readonly #held = new Map<string, Held>();
  readonly #watchers = new Map<Process, Set<() => void>>();
  /** Requests of these kinds are refused. */
  readonly refuses = new Set<"read" | "add" | "extend">();
  isLinkUp = true;
  #readsAt = -1;
  #reads = 0;
  #second = -1;
  #readsInSecond = 0;

  constructor(parts: KernelParts) {
    this.#parts = parts;
    this.host = parts.host;
    this.address = parts.address;
    this.mac = parts.mac;
    parts.segment.join(this);
  }

  /** Addresses of the daemon, with the interface. */
  get owned(): readonly InterfaceAddress[] {
    return [...this.#held.values()];
  }

  has(address: IpAddress, interfaceIndex: number): boolean {
    return this.#held.has(placeOf({ address, interfaceIndex }));
  }

  losePower(): void {
    for (const held of [...this.#held.values()]) this.#drop(held, "removed");
  }

  setLink(up: boolean): void {
    this.isLinkUp = up;
    this.#notify();
  }

  network(process: Process): KernelNetwork {
    return {
      links: () => {
        this.#read();
        const ethernet: Link = { index: ETHERNET, name: "eth0", up: this.isLinkUp, loopback: false, mac: this.mac };
        return [{ index: LOOPBACK, name: "lo", up: true, loopback: true, mac: null }, ethernet];
      },
      addresses: () => {
        this.#read();
        const own = { interfaceIndex: ETHERNET, address: this.address, prefixLength: 24 };
        return [{ ...own, owned: false, tentative: false }, ...this.#held.values()];
      },
      addAddress: (wanted) => this.#add(wanted),
      extendAddress: (wanted) => this.#extend(wanted),
      removeAddress: (place) => {
        const held = this.#held.get(placeOf(place));
        if (held) this.#drop(held, "removed");
      },
      routes: () => [],
      replaceRoute: () => {},
      removeRoute: () => {},
      watch: (onChange) => {
        const all = this.#watchers.get(process) ?? new Set();
        this.#watchers.set(process, all.add(onChange));
        return { close: () => void all.delete(onChange) };
      },
    };
  }

  segments(): Segments {
    return {
      open: () => ({
        sendFrame: (frame) => this.#parts.segment.send(this, frame),
        sendIcmpv6: () => {},
        close: () => {},
      }),
    };
  }

  taps(process: Process): SegmentTaps {
    return { open: (_, onFrame) => this.#parts.segment.tap(this, process, onFrame) };
  }

  claimed(address: IpAddress): void {
    this.#parts.events.claimed(this, address);
  }

  #add(wanted: AddressToAdd): void {
    if (this.refuses.has("add")) throw new NetlinkRefused("add address", ENOBUFS, "no buffer space available");
    if (this.#held.has(placeOf(wanted))) return;
    this.#hold(wanted, "added");
  }

  #extend(wanted: AddressToAdd): void {
    if (this.refuses.has("extend")) throw new NetlinkRefused("extend", ENOBUFS, "no buffer space available");
    const held = this.#held.get(placeOf(wanted));
    if (!held) throw new NetlinkRefused("extend", EADDRNOTAVAIL, "cannot assign requested address");
    if (held.expiry) held.expiry.task = null;
    this.#hold(wanted, "extended");
  }

  #hold({ interfaceIndex, address, prefixLength, validSeconds }: AddressToAdd, what: "added" | "extended"): void {
    const { time, host, chance, events } = this.#parts;
    const millis = (validSeconds ?? 0) * 1000 + chance.between(0, EXPIRY_LATE_MILLIS);
    const expiry = validSeconds ? time.after(host.lasting(millis), () => this.#drop(held, "expired")) : null;
    const held: Held = { interfaceIndex, address, prefixLength, owned: true, tentative: false, expiry };
    this.#held.set(placeOf(held), held);
    events.changed(this, what, address, interfaceIndex);
    if (what === "added") this.#notify();
  }

  #drop(held: Held, what: "removed" | "expired"): void {
    if (held.expiry) held.expiry.task = null;
    this.#held.delete(placeOf(held));
    this.#parts.events.changed(this, what, held.address, held.interfaceIndex);
    this.#notify();
  }

  #notify(): void {
    const { time, chance } = this.#parts;
    for (const [process, listeners] of this.#watchers) {
      for (const listener of listeners) {
        time.after(chance.between(0.1, 5), () => process.call(() => listeners.has(listener) && listener()));
      }
    }
  }

  #read(): void {
    const { time, events } = this.#parts;
    if (this.#readsAt !== time.now) [this.#readsAt, this.#reads] = [time.now, 0];
    // Thrown, since nothing else ends a loop that never comes back.
    if (++this.#reads > READS_PER_CALL_MAX) throw new Error(`busy loop: ${READS_PER_CALL_MAX} readings in one moment`);
    const second = Math.floor(time.now / 1000);
    if (this.#second !== second) [this.#second, this.#readsInSecond] = [second, 0];
    if (++this.#readsInSecond === READS_PER_SECOND_MAX) {
      events.trouble(`busy loop: ${this.host.name} read its kernel ${READS_PER_SECOND_MAX} times within a second`);
    }
    if (this.refuses.has("read")) throw new NetlinkRefused("read", ENOBUFS, "no buffer space available");
  }
}

const placeOf = ({ address, interfaceIndex }: Pick<InterfaceAddress, "address" | "interfaceIndex">): string =>
  `${interfaceIndex} ${address}`;

/** The wire that the nodes share: ARP goes to all whose path is whole. */
export class Segment {
  readonly #links: Links;
  readonly #time: SimTime;
  readonly #kernels: SimKernel[] = [];
  readonly #taps = new Set<{ kernel: SimKernel; process: Process; onFrame: (frame: Uint8Array) => void }>();

  constructor(time: SimTime, links: Links) {
    this.#time = time;
    this.#links = links;
  }

  join(kernel: SimKernel): void {
    this.#kernels.push(kernel);
  }

  tap(kernel: SimKernel, process: Process, onFrame: (frame: Uint8Array) => void): { close(): void } {
    const tap = { kernel, process, onFrame };
    this.#taps.add(tap);
    return { close: () => void this.#taps.delete(tap) };
  }

  send(from: SimKernel, frame: Uint8Array): void {
    const claim = claimIn(frame);
    if (claim !== null) from.claimed(claim.address);
    for (const tap of this.#taps) {
      if (!tap.process.isAlive) this.#taps.delete(tap);
      if (tap.kernel === from || this.#links.isCut(from.host.name, tap.kernel.host.name)) continue;
      this.#time.after(this.#links.delay(), () => tap.process.call(() => this.#taps.has(tap) && tap.onFrame(frame)));
    }
  }
}
