import type { IpAddress } from "../../src/addr/ip.ts";
import type { ByteStream, Dialer, DialOptions, Endpoint, StreamEnd, StreamHandler } from "../../src/ports/stream.ts";
import type { Process } from "./host.ts";
import { Channel, type Links } from "./links.ts";
import type { SimTime } from "./time.ts";

type Accept = (stream: ByteStream) => StreamHandler | null;

/** A closing stream is gone after a second at the latest. */
const CLOSE_MILLIS = 1_000;

/**
 * TCP between hosts. The kernels do it: a process that stands still is not noticed by TCP, one that dies is, and a host
 * without power is silent until it has power again and answers what still comes with a reset.
 */
export class Tcp {
  readonly #time: SimTime;
  readonly #links: Links;
  readonly #listening = new Map<string, { readonly process: Process; readonly accept: Accept }>();
  readonly #sides = new Set<Side>();
  #nextPort = 40_000;

  constructor(time: SimTime, links: Links) {
    this.#time = time;
    this.#links = links;
  }

  listen(process: Process, address: IpAddress, port: number, accept: Accept): void {
    this.#listening.set(`${address} ${port}`, { process, accept });
  }

  dialer(process: Process, address: IpAddress): Dialer {
    return { dial: (options, handler) => this.#dial(process, address, options, handler) };
  }

  /** The process has died: its kernel closes what it had open, if there is power. */
  end(process: Process): void {
    for (const side of [...this.#sides]) if (side.process === process) side.die();
    for (const [key, listening] of this.#listening) if (listening.process === process) this.#listening.delete(key);
  }

  #dial(process: Process, address: IpAddress, { remote }: DialOptions, handler: StreamHandler): () => void {
    const local: Endpoint = { address, port: this.#nextPort++ };
    let ours: Side | null = null;
    let isGivenUp = false;
    const from = process.host.name;
    const listening = this.#listening.get(`${remote.address} ${remote.port}`);
    const to = listening?.process.host.name ?? "nobody";
    // The first segments of a connection: SYN, and what answers it.
    const there = new Channel(this.#time, this.#links, from, to);
    const back = new Channel(this.#time, this.#links, to, from);
    there.send(() => {
      const now = this.#listening.get(`${remote.address} ${remote.port}`);
      if (isGivenUp || !process.isAlive) return;
      if (now === undefined) {
        const tell = (end: StreamEnd): void => process.call(() => !isGivenUp && handler.onEnd(end));
        return back.send(() => tell({ kind: "refused" }));
      }
      ours = new Side(this, this.#time, process, local, remote, there);
      const theirs = new Side(this, this.#time, now.process, remote, local, back);
      ours.join(theirs);
      this.#sides.add(ours).add(theirs);
      const own = ours;
      back.send(() => process.call(() => (isGivenUp ? own.destroy() : own.serve(handler))));
      now.process.call(() => {
        const acceptor = now.accept(theirs);
        if (acceptor === null) theirs.close();
        else theirs.serve(acceptor);
      });
    });
    return () => {
      isGivenUp = true;
      ours?.abandon();
    };
  }

  forget(side: Side): void {
    this.#sides.delete(side);
  }
}

/** One end of a connection. */
class Side implements ByteStream {
  readonly process: Process;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** The kernel takes everything at once. */
  readonly queuedBytes = 0;
  readonly #tcp: Tcp;
  readonly #time: SimTime;
  readonly #out: Channel;
  #joined: Side | null = null;
  #handler: StreamHandler | null = null;
  #early: (() => void)[] = [];
  #isReading = true;
  #unread: (() => void)[] = [];
  #isClosing = false;
  #isOver = false;

  constructor(tcp: Tcp, time: SimTime, process: Process, local: Endpoint, remote: Endpoint, out: Channel) {
    this.#tcp = tcp;
    this.#time = time;
    this.process = process;
    this.local = local;
    this.remote = remote;
    this.#out = out;
  }

  join(other: Side): void {
    this.#joined = other;
    other.#joined = this;
  }

  serve(handler: StreamHandler): void {
    if (this.#isOver) return;
    this.#handler = handler;
    handler.onOpen(this);
    for (const event of this.#early.splice(0)) event();
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver || this.#isClosing) return;
    const copy = bytes.slice();
    this.#send((other) => other.#receive(() => other.#handler?.onData(copy)));
  }

  pause(): void {
    this.#isReading = false;
  }

  resume(): void {
    this.#isReading = true;
    this.#time.after(0, () => {
      while (this.#isReading && this.#unread.length > 0) this.process.call(this.#unread.shift()!);
    });
  }

  setOptions(): void {}

  close(): void {
    if (this.#isOver || this.#isClosing) return;
    this.#isClosing = true;
    this.#send((other) => other.#receive(() => other.#end({ kind: "closed-by-peer" })));
    this.#time.after(CLOSE_MILLIS, () => this.process.call(() => this.#end({ kind: "closed-by-us" })));
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#send((other) => other.process.call(() => other.#end({ kind: "reset" })));
    this.#time.after(0, () => this.process.call(() => this.#end({ kind: "closed-by-us" })));
  }

  abandon(): void {
    this.#handler = null;
    this.destroy();
  }

  /** Nobody is told at this end. */
  die(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#tcp.forget(this);
    if (this.process.host.hasPower) this.#send((other) => other.process.call(() => other.#end({ kind: "reset" })));
  }

  #send(arrive: (other: Side) => void): void {
    const other = this.#joined!;
    this.#out.send(() => {
      if (!other.process.host.hasPower) return;
      if (!other.#isOver) return arrive(other);
      // Nobody has this connection any more.
      if (!this.#isOver) other.#out.send(() => this.process.call(() => this.#end({ kind: "reset" })));
    });
  }

  #receive(event: () => void): void {
    const take = (): void => {
      if (this.#handler === null && !this.#isOver) this.#early.push(event);
      else if (!this.#isOver) event();
    };
    if (this.#isReading && this.#unread.length === 0) this.process.call(take);
    else this.#unread.push(take);
  }

  #end(end: StreamEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#tcp.forget(this);
    const handler = this.#handler;
    this.#handler = null;
    handler?.onEnd(end);
  }
}
