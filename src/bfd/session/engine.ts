import { type Family, familyOf, type IpAddress } from "../../addr/ip.ts";
import { Instant } from "../../base/time.ts";
import type { Alarm, Clock, Entropy } from "../../ports/clock.ts";
import type { DatagramNetwork, DatagramReceiver, ReceivedDatagram } from "../../ports/datagram.ts";
import type { Digests } from "../wire/authentication.ts";
import { type ControlPacket, decodeControlPacket } from "../wire/control-packet.ts";
import type { DiscardReason } from "../wire/discards.ts";
import { RunningSession } from "./running-session.ts";
import type { BfdCounters, BfdNotice, BfdSessionConfig, BfdSessionStatus } from "./session-config.ts";
import { pathOf, settingsOf } from "./session-settings.ts";

export interface EngineDeps {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly network: DatagramNetwork;
  readonly digests: Digests;
  /** Called for everything that a client or an operator must hear of, in the order in which it happened. */
  readonly onNotice: (notice: BfdNotice) => void;
}

/** UDP ports (RFC 5881 §4, RFC 5883 §5). */
const SINGLE_HOP_PORT = 3784;
const MULTIHOP_PORT = 4784;
/** RFC 5881 §5: what a neighbour on the same link sends arrives with what it was sent with. */
const SINGLE_HOP_TTL = 255;
/** A node has a handful of routers; each session costs packets for as long as it lives. */
const SESSIONS_MAX = 256;
/** How long a port that is taken, or a family that is not there, is left alone. */
const REOPEN_MILLIS = 2_000;

/**
 * All BFD sessions of a machine: finds the session of each packet (RFC 5880 §6.8.6, 5881 §3, 5883 §4), and keeps the
 * sessions equal to what is wanted.
 *
 * Parts: `wire` reads and writes packets, `fsm` is one session as a pure function, a RunningSession performs what it
 * says, with a socket of its own to send from. One receiving socket per family and kind of session serves all of them.
 * Everything runs on the caller's thread; a daemon with other work to do gives it a thread of its own, because to the
 * peer a program that is busy and a machine that is dead are the same (src/linux/io/datagram-loop.ts).
 */
export class BfdEngine {
  readonly #deps: EngineDeps;
  readonly #sessions = new Map<string, RunningSession>();
  readonly #byDiscriminator = new Map<number, RunningSession>();
  readonly #receivers = new Map<string, DatagramReceiver>();
  /** Wanted, but not to be had; by path, with the reason. */
  readonly #refused = new Map<string, { readonly configs: readonly BfdSessionConfig[]; readonly trouble: string }>();
  readonly #ports = new Set<number>();
  readonly #discarded: Partial<Record<DiscardReason, number>> = {};
  readonly #reopen: Alarm;
  #wanted: readonly BfdSessionConfig[] = [];
  #received = 0;
  #sent = 0;
  #sendFailed = 0;
  /** Of receivers that are closed. */
  #dropped = 0;

  constructor(deps: EngineDeps) {
    this.#deps = deps;
    this.#reopen = deps.clock.alarm(() => this.setSessions(this.#wanted));
  }

  /**
   * Makes the sessions those of `wanted`. A session whose path is wanted as before goes on, with new settings if they
   * changed; one that is not is told to the peer as AdminDown, so that nobody takes its end for a failure.
   */
  setSessions(wanted: readonly BfdSessionConfig[]): void {
    this.#wanted = wanted;
    this.#reopen.set(null);
    const paths = Map.groupBy(wanted, pathOf);
    for (const path of this.#refused.keys()) if (!paths.has(path)) this.#refused.delete(path);
    for (const [path, session] of this.#sessions) if (!paths.has(path)) session.disable();
    for (const [path, configs] of paths) this.#want(path, configs as [BfdSessionConfig, ...BfdSessionConfig[]]);
    this.#closeIdleReceivers();
  }

  status(): readonly BfdSessionStatus[] {
    const refused = [...this.#refused.values()].map(({ configs, trouble }) => refusedStatus(configs, trouble));
    return [...[...this.#sessions.values()].filter((it) => it.names.length > 0).map((it) => it.status()), ...refused];
  }

  counters(): BfdCounters {
    const dropped = [...this.#receivers.values()].reduce((sum, it) => sum + it.droppedCount, this.#dropped);
    return {
      sent: this.#sent,
      sendFailed: this.#sendFailed,
      received: this.#received,
      discarded: { ...this.#discarded },
      dropped,
    };
  }

  /** True once no session is left, not even one that is still saying good-bye. */
  get isIdle(): boolean {
    return this.#sessions.size === 0;
  }

  /** Lets go of everything at once; `setSessions([])` and `isIdle` are the polite way. */
  close(): void {
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
    this.#byDiscriminator.clear();
    this.#refused.clear();
    this.#wanted = [];
    this.#closeIdleReceivers();
    this.#reopen.close();
  }

  #want(path: string, configs: readonly [BfdSessionConfig, ...BfdSessionConfig[]]): void {
    const [config] = configs;
    const names = configs.map(({ name }) => name);
    const settings = settingsOf(config);
    const running = this.#sessions.get(path);
    const trouble =
      "problem" in settings
        ? settings.problem
        : running === undefined && this.#sessions.size >= SESSIONS_MAX
          ? `more than ${SESSIONS_MAX} BFD sessions`
          : this.#receiverTrouble(config);
    if (trouble !== null) {
      running?.disable();
      if (this.#refused.get(path)?.trouble !== trouble) this.#deps.onNotice({ type: "trouble", names, trouble });
      this.#refused.set(path, { configs, trouble });
      return;
    }
    if ("problem" in settings) return;
    if (this.#refused.delete(path)) this.#deps.onNotice({ type: "trouble", names, trouble: null });
    if (running) {
      running.configure(names, settings);
      return;
    }
    const session = new RunningSession(config, names, settings, {
      ...this.#deps,
      discriminator: this.#freeNumber(1, 0xffff_ffff, this.#byDiscriminator),
      // One source port for the whole life of the session, and another for each (RFC 5881 §4).
      nextPort: () => this.#freeNumber(49_152, 65_535, this.#ports),
      takePort: (port) => void this.#ports.add(port),
      port: destinationOf(config),
      onSent: (ok) => void (ok ? this.#sent++ : this.#sendFailed++),
      onEnd: () => this.#ended(path),
    });
    this.#sessions.set(path, session);
    this.#byDiscriminator.set(session.discriminator, session);
    session.start();
  }

  #ended(path: string): void {
    const session = this.#sessions.get(path);
    if (!session) return;
    session.close();
    this.#sessions.delete(path);
    this.#byDiscriminator.delete(session.discriminator);
    if (session.sourcePort !== null) this.#ports.delete(session.sourcePort);
    this.#closeIdleReceivers();
  }

  /** Why nothing can be received for such a session; null when it can. */
  #receiverTrouble(config: BfdSessionConfig): string | null {
    const [family, port] = [familyOf(config.remote), destinationOf(config)];
    const key = receiverKey(family, port);
    if (this.#receivers.has(key)) return null;
    const onlyTtl255 = port === SINGLE_HOP_PORT;
    try {
      const receiver = this.#deps.network.openReceiver({ family, port, onlyTtl255 }, (datagram) =>
        this.#onDatagram(datagram, port),
      );
      this.#receivers.set(key, receiver);
      return null;
    } catch (error) {
      this.#reopen.set(Instant.add(this.#deps.clock.now(), REOPEN_MILLIS));
      const reason = error instanceof Error ? error.message : String(error);
      return `cannot receive on UDP port ${port}: ${reason}`;
    }
  }

  #closeIdleReceivers(): void {
    const used = new Set(
      [...this.#sessions.values()].map(({ config }) => receiverKey(familyOf(config.remote), destinationOf(config))),
    );
    for (const [key, receiver] of this.#receivers) {
      if (used.has(key)) continue;
      this.#dropped += receiver.droppedCount;
      receiver.close();
      this.#receivers.delete(key);
    }
  }

  #onDatagram(datagram: ReceivedDatagram, port: number): void {
    const reason = this.#deliver(datagram, port);
    if (reason === null) this.#received += 1;
    else this.#discarded[reason] = (this.#discarded[reason] ?? 0) + 1;
  }

  /** RFC 5880 §6.8.6. Null when the session took the packet, else why nobody did. */
  #deliver(datagram: ReceivedDatagram, port: number): DiscardReason | null {
    const decoded = decodeControlPacket(datagram.bytes);
    if (decoded.kind === "discard") return decoded.reason;
    const { packet, authSection } = decoded;
    const session = this.#sessionOf(packet, datagram, port);
    if (typeof session === "string") return session;
    const { minimumTtl } = session.config;
    if (datagram.ttl < (minimumTtl ?? SINGLE_HOP_TTL)) return "ttl";
    return session.receive(packet, authSection, datagram);
  }

  #sessionOf(packet: ControlPacket, datagram: ReceivedDatagram, port: number): RunningSession | DiscardReason {
    if (packet.yourDiscriminator !== 0) {
      const session = this.#byDiscriminator.get(packet.yourDiscriminator);
      if (session === undefined) return "no-session";
      // A discriminator can be guessed or overheard: it does not excuse another sender.
      return isOnPath(session, datagram, port) ? session : "source";
    }
    for (const session of this.#sessions.values()) if (isOnPath(session, datagram, port)) return session;
    return "no-session";
  }

  /** One from `low` to `high` that is not among `taken`. Half of them may be taken: soon found. */
  #freeNumber(low: number, high: number, taken: { has(value: number): boolean }): number {
    for (;;) {
      const value = low + Math.floor(this.#deps.entropy.fraction() * (high - low + 1));
      if (!taken.has(value)) return value;
    }
  }
}

const destinationOf = ({ minimumTtl }: BfdSessionConfig): number =>
  minimumTtl === null ? SINGLE_HOP_PORT : MULTIHOP_PORT;

const receiverKey = (family: Family, port: number): string => `${family} ${port}`;

/** Whether a datagram came the way that the session watches. */
function isOnPath({ config, interfaceIndex }: RunningSession, datagram: ReceivedDatagram, port: number): boolean {
  return (
    destinationOf(config) === port &&
    datagram.source === config.remote &&
    (config.local === null || datagram.destination === config.local) &&
    (config.interfaceName === null || datagram.interfaceIndex === interfaceIndex)
  );
}

function refusedStatus(configs: readonly BfdSessionConfig[], trouble: string): BfdSessionStatus {
  const { remote, local, interfaceName, minimumTtl }: { remote: IpAddress } & BfdSessionConfig = configs[0]!;
  return {
    names: configs.map(({ name }) => name),
    remote,
    local,
    interfaceName,
    multihop: minimumTtl !== null,
    state: "down",
    diagnostic: "no diagnostic",
    remoteState: "down",
    remoteDiagnostic: "no diagnostic",
    remoteControlPlaneIndependent: false,
    transmitMillis: null,
    detectionMillis: 0,
    localDiscriminator: 0,
    remoteDiscriminator: 0,
    sourcePort: null,
    packetsSent: 0,
    packetsReceived: 0,
    lossCount: 0,
    trouble,
  };
}
