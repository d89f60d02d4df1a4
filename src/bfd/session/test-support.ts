import { type IpAddress, ip } from "../../addr/ip.ts";
import { Instant } from "../../base/time.ts";
import { seeded, VirtualTime } from "../../../test/support/virtual-time.ts";
import type { DatagramNetwork, ReceivedDatagram, SenderOptions } from "../../ports/datagram.ts";
import { DIGESTS } from "../fsm/test-support.ts";
import { BfdEngine } from "./engine.ts";
import type { BfdNotice, BfdSessionConfig } from "./session-config.ts";

/** What the network between two hosts does to datagrams. */
export interface Weather {
  /** Share that is lost. */
  loss: number;
  delayMillis: readonly [from: number, to: number];
  /** TTL on arrival. */
  ttl: number;
}

interface Host {
  readonly name: string;
  readonly addresses: readonly IpAddress[];
  /** To the receiver of a family and port; it waits while the thread does not run. */
  readonly deliver: (key: string, datagram: ReceivedDatagram) => void;
  readonly engine: BfdEngine;
  readonly notices: BfdNotice[];
  readonly senders: SenderOptions[];
  /** Every datagram that it sent. */
  sent: { readonly at: number; readonly bytes: Uint8Array; readonly sourcePort: number }[];
  /** Its thread does not run: nothing is read, no deadline is kept. */
  isStopped: boolean;
  /** Why nothing can be sent; null: it can. */
  sendError: Error | null;
  openError: (Error & { code?: string }) | null;
}

/** Hosts on one link in virtual time. The seed decides what is lost, and when things arrive. */
export class VirtualLink {
  readonly time = new VirtualTime();
  readonly weather: Weather = { loss: 0, delayMillis: [1, 1], ttl: 255 };
  readonly #chance: () => number;
  readonly #hosts: Host[] = [];

  constructor(seed = 1) {
    const entropy = seeded(seed);
    this.#chance = () => entropy.fraction();
  }

  host(name: string, ...addresses: readonly string[]): Host {
    const receivers = new Map<string, (datagram: ReceivedDatagram) => void>();
    const waiting: { readonly datagram: ReceivedDatagram; readonly key: string }[] = [];
    const network: DatagramNetwork = {
      openReceiver: ({ family, port }, onDatagram) => {
        if (host.openError) throw host.openError;
        const key = `${family} ${port}`;
        if (receivers.has(key)) throw new Error(`${key} is taken`);
        receivers.set(key, onDatagram);
        return { droppedCount: 0, close: () => void receivers.delete(key) };
      },
      openSender: (options) => {
        host.senders.push(options);
        return {
          send: (bytes) => {
            if (host.sendError) throw host.sendError;
            host.sent.push({ at: this.time.now(), bytes, sourcePort: options.sourcePort });
            const source =
              options.local ?? host.addresses.find((it) => it.includes(":") === options.remote.address.includes(":"))!;
            this.inject(source, options.remote.address, options.remote.port, bytes);
          },
          close: () => undefined,
        };
      },
      interfaceIndex: (device) => (device.startsWith("e") ? Number(device.slice(1)) : null),
    };
    const notices: BfdNotice[] = [];
    // What waits for the thread to run is told before any of its alarms rings.
    const clock = {
      now: () => this.time.now(),
      wallTime: () => this.time.wallTime(),
      alarm: (ring: () => void) => {
        const alarm = this.time.alarm(() => {
          if (host.isStopped) {
            alarm.set(Instant.add(this.time.now(), 1));
            return;
          }
          drain();
          ring();
        });
        return alarm;
      },
    };
    const drain = (): void => {
      for (const { datagram, key } of waiting.splice(0)) receivers.get(key)?.(datagram);
    };
    const engine = new BfdEngine({
      clock,
      entropy: { fraction: this.#chance },
      network,
      digests: DIGESTS,
      onNotice: (notice) => void notices.push(notice),
    });
    const host: Host = {
      name,
      addresses: addresses.map(ip),
      deliver: (key, datagram) => {
        waiting.push({ datagram, key });
        if (!host.isStopped) drain();
      },
      engine,
      notices,
      senders: [],
      sent: [],
      isStopped: false,
      sendError: null,
      openError: null,
    };
    this.#hosts.push(host);
    return host;
  }

  /** Puts a datagram on the link, as anybody there may. */
  inject(
    source: IpAddress,
    destination: IpAddress,
    port: number,
    bytes: Uint8Array,
    more: { readonly ttl?: number; readonly interfaceIndex?: number } = {},
  ): void {
    if (this.#chance() < this.weather.loss) return;
    const [from, to] = this.weather.delayMillis;
    const ttl = more.ttl ?? this.weather.ttl;
    const copy = bytes.slice();
    this.time.after(from + (to - from) * this.#chance(), () => {
      const host = this.#hosts.find(({ addresses }) => addresses.includes(destination));
      const family = destination.includes(":") ? 6 : 4;
      host?.deliver(`${family} ${port}`, {
        bytes: copy,
        source,
        destination,
        interfaceIndex: more.interfaceIndex ?? 1,
        ttl,
        receivedAt: this.time.now(),
      });
    });
  }
}

/** 3 × 50 ms to `remote`, with what a test wants to be otherwise. */
export const sessionTo = (remote: string, changed: Partial<BfdSessionConfig> = {}): BfdSessionConfig => ({
  name: remote,
  remote: ip(remote),
  local: null,
  interfaceName: null,
  minimumTtl: null,
  transmitMillis: 50,
  receiveMillis: 50,
  multiplier: 3,
  passive: false,
  auth: null,
  fastTimers: false,
  ...changed,
});

export type { Host };
