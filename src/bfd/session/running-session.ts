import type { Alarm, Clock, Entropy } from "../../ports/clock.ts";
import type { DatagramNetwork, DatagramSender, ReceivedDatagram } from "../../ports/datagram.ts";
import { authenticate } from "../fsm/authenticity.ts";
import { createSession, type SessionSettings, type SessionState } from "../fsm/session-state.ts";
import { type SessionAction, type SessionEvent, step } from "../fsm/step.ts";
import { detectionMillis, nextDeadline } from "../fsm/timing.ts";
import { type Digests, sealPacket } from "../wire/authentication.ts";
import { type ControlPacket, diagnosticName } from "../wire/control-packet.ts";
import type { DiscardReason } from "../wire/discards.ts";
import type { BfdNotice, BfdSessionConfig, BfdSessionStatus } from "./session-config.ts";
import { Teller } from "./teller.ts";

export interface RunningDeps {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly network: DatagramNetwork;
  readonly digests: Digests;
  readonly onNotice: (notice: BfdNotice) => void;
  /** Ours; unique, never 0. */
  readonly discriminator: number;
  /** A source port that no other session has; another one at each call. */
  readonly nextPort: () => number;
  readonly takePort: (port: number) => void;
  /** UDP destination. */
  readonly port: number;
  readonly onSent: (ok: boolean) => void;
  /** The session has said its good-bye. */
  readonly onEnd: () => void;
}

/** What a client hears of a session. */
type PathView = Omit<Extract<BfdNotice, { type: "state-changed" }>, "type" | "names" | "from">;

/** Ports that others have taken are passed over; this many in a row are no chance. */
const PORT_ATTEMPTS_MAX = 16;

/** Runs one session: datagrams and time in, `step`, packets out. */
export class RunningSession {
  readonly config: BfdSessionConfig;
  readonly discriminator: number;
  readonly #deps: RunningDeps;
  readonly #alarm: Alarm;
  readonly #states: Teller<PathView>;
  readonly #troubles: Teller<string | null>;
  #session: SessionState;
  #names: readonly string[];
  #sender: DatagramSender | null = null;
  #sourcePort: number | null = null;
  #interfaceIndex: number | null = null;
  #trouble: string | null = null;
  #sent = 0;
  #received = 0;
  #lossCount = 0;

  constructor(config: BfdSessionConfig, names: readonly string[], settings: SessionSettings, deps: RunningDeps) {
    this.config = config;
    this.discriminator = deps.discriminator;
    this.#names = names;
    this.#deps = deps;
    const sequence = Math.floor(deps.entropy.fraction() * 2 ** 32);
    this.#session = createSession(settings, { discriminator: deps.discriminator, sequence }, deps.clock.now());
    this.#alarm = deps.clock.alarm(() => this.#dispatch({ type: "time-passed" }));
    const { clock, onNotice } = deps;
    const isSame = (a: PathView, b: PathView): boolean => a.to === b.to;
    this.#states = new Teller(clock, this.#view(), isSame, ({ to: from }, now) =>
      onNotice({ type: "state-changed", names: this.#names, from, ...now }),
    );
    this.#troubles = new Teller<string | null>(
      clock,
      null,
      (a, b) => a === b,
      (_before, trouble) => onNotice({ type: "trouble", names: this.#names, trouble }),
    );
  }

  /** The clients; none while the session is ending. */
  get names(): readonly string[] {
    return this.#session.state === "admin-down" ? [] : this.#names;
  }
  get sourcePort(): number | null {
    return this.#sourcePort;
  }
  /** Of the interface that the session is bound to, as of now; null: of none, or it is not there. */
  get interfaceIndex(): number | null {
    return this.#interfaceIndex;
  }

  start(): void {
    this.#open();
    this.#dispatch({ type: "time-passed" });
  }

  configure(names: readonly string[], settings: SessionSettings): void {
    this.#names = names;
    this.#dispatch({ type: "configured", settings });
    this.#dispatch({ type: "enabled" });
  }

  disable(): void {
    this.#dispatch({ type: "disabled" });
  }

  close(): void {
    for (const one of [this.#alarm, this.#states, this.#troubles]) one.close();
    this.#sender?.close();
    this.#sender = null;
  }

  /** Null when the packet was taken, else why not. */
  receive(
    packet: ControlPacket,
    section: Uint8Array | null,
    { bytes, receivedAt }: ReceivedDatagram,
  ): DiscardReason | null {
    const sealed = { payload: bytes, section, multiplier: packet.multiplier };
    const judged = authenticate(this.#session, sealed, receivedAt, this.#deps.digests);
    if (judged.kind === "discard") return judged.reason;
    this.#received += 1;
    this.#dispatch({ type: "received", packet, auth: judged.auth, receivedAt });
    return null;
  }

  status(): BfdSessionStatus {
    const { remote, interfaceName, local, minimumTtl } = this.config;
    const session = this.#session;
    return {
      names: this.#names,
      remote,
      local,
      interfaceName,
      multihop: minimumTtl !== null,
      state: session.state,
      diagnostic: diagnosticName(session.diagnostic),
      remoteState: session.remote.state,
      remoteDiagnostic: diagnosticName(session.remote.diagnostic),
      remoteControlPlaneIndependent: session.remote.controlPlaneIndependent,
      transmitMillis: session.intervalMicros === null ? null : session.intervalMicros / 1_000,
      detectionMillis: detectionMillis(session),
      localDiscriminator: session.localDiscriminator,
      remoteDiscriminator: session.remote.discriminator,
      sourcePort: this.#sourcePort,
      packetsSent: this.#sent,
      packetsReceived: this.#received,
      lossCount: this.#lossCount,
      trouble: this.#trouble,
    };
  }

  #dispatch(event: SessionEvent): void {
    const { clock, entropy } = this.#deps;
    const { session, actions } = step(this.#session, event, clock.now(), entropy.fraction());
    this.#session = session;
    this.#alarm.set(nextDeadline(session));
    for (const action of actions) this.#perform(action);
  }

  #perform(action: SessionAction): void {
    switch (action.type) {
      case "send":
        this.#send(sealPacket(action.packet, action.key, action.sequence, this.#deps.digests));
        return;
      case "state-changed":
        if (action.from === "up") this.#lossCount += 1;
        this.#states.set(this.#view());
        return;
      case "stalled":
        this.#deps.onNotice({ type: "stalled", names: this.#names, lateMillis: action.lateMillis });
        return;
      case "ended":
        this.#deps.onEnd();
    }
  }

  /**
   * A packet that does not leave is a packet lost, and the peer's silence decides what that means. The socket is made
   * anew for the next one: its interface or address may have gone and come back as another.
   */
  #send(bytes: Uint8Array): void {
    try {
      if (this.#sender === null) this.#open();
      if (this.#sender === null) {
        this.#deps.onSent(false);
        return;
      }
      this.#sender.send(bytes);
      this.#sent += 1;
      this.#deps.onSent(true);
      this.#setTrouble(null);
    } catch (error) {
      this.#deps.onSent(false);
      this.#sender?.close();
      this.#sender = null;
      this.#setTrouble(`cannot send: ${reasonOf(error)}`);
    }
  }

  #open(): void {
    const { network, nextPort, takePort, port } = this.#deps;
    const { remote, local, interfaceName } = this.config;
    this.#interfaceIndex = interfaceName === null ? null : network.interfaceIndex(interfaceName);
    if (interfaceName !== null && this.#interfaceIndex === null) {
      this.#setTrouble(`there is no interface ${interfaceName}`);
      return;
    }
    for (let attempt = 1; this.#sender === null; attempt++) {
      const sourcePort = this.#sourcePort ?? nextPort();
      try {
        this.#sender = network.openSender({ remote: { address: remote, port }, local, sourcePort, interfaceName });
        if (this.#sourcePort === null) takePort(sourcePort);
        this.#sourcePort = sourcePort;
      } catch (error) {
        const isTaken = (error as { code?: unknown }).code === "EADDRINUSE";
        if (isTaken && this.#sourcePort === null && attempt < PORT_ATTEMPTS_MAX) continue;
        this.#setTrouble(`cannot send: ${reasonOf(error)}`);
        return;
      }
    }
  }

  #setTrouble(trouble: string | null): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#troubles.set(trouble);
  }

  #view(): PathView {
    const { state: to, diagnostic, remote } = this.#session;
    const { state: remoteState, controlPlaneIndependent: remoteControlPlaneIndependent } = remote;
    return { to, diagnostic, remoteState, remoteControlPlaneIndependent };
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
