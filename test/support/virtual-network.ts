import { type IpAddress, isIpv6, isLinkLocal } from "../../src/addr/ip.ts";
import { type Prefix, hostPrefix, prefixContains, prefixLength } from "../../src/addr/prefix.ts";
import type { Entropy } from "../../src/ports/clock.ts";
import type {
  ByteStream,
  Dialer,
  DialOptions,
  Endpoint,
  Listener,
  Listening,
  Md5Key,
  SocketOptions,
  StreamEnd,
  StreamHandler,
} from "../../src/ports/stream.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface NetworkOptions {
  /** One-way delay, drawn for each piece between these bounds. */
  readonly delayMillis: readonly [number, number];
  /** Largest piece in which octets arrive. */
  readonly pieceLength?: number;
  /** What a receiver that does not read takes before the sender's queue grows. */
  readonly windowLength?: number;
}

type Accept = (stream: ByteStream) => StreamHandler | null;

/** One listening socket; the keys and options are there to be looked at. */
interface VirtualListening {
  readonly accept: Accept;
  keys: readonly Md5Key[];
  options: SocketOptions;
}

/**
 * Streams in memory and virtual time, with what TCP does to its users: delay, pieces of any length, a window that fills
 * when nobody reads, silence when a host is gone.
 */
export class VirtualNetwork {
  readonly #time: VirtualTime;
  readonly #entropy: Entropy;
  readonly #options: Required<NetworkOptions>;
  readonly #listeners = new Map<string, VirtualListening>();
  readonly #silent = new Set<IpAddress>();
  readonly #streams: VirtualStream[] = [];
  #nextPort = 40_000;

  constructor(time: VirtualTime, entropy: Entropy, options: NetworkOptions = { delayMillis: [1, 1] }) {
    this.#time = time;
    this.#entropy = entropy;
    this.#options = { pieceLength: 65_536, windowLength: 16_384, ...options };
  }

  listen(address: IpAddress, port: number, accept: Accept): () => void {
    const key = `${address} ${port}`;
    this.#listeners.set(key, { accept, keys: [], options: {} });
    return () => this.#listeners.delete(key);
  }

  /** As the kernel's, with keys and least TTLs: who does not have the right ones gets no answer. */
  get listener(): Listener {
    return {
      listen: ({ local, md5Keys = [], ...options }, accept) => {
        const key = `${local.address} ${local.port}`;
        const listening: VirtualListening = { accept, keys: md5Keys, options };
        this.#listeners.set(key, listening);
        const handle: Listening = {
          setMd5Keys: (keys) => void (listening.keys = keys),
          setOptions: (wanted) => void (listening.options = { ...listening.options, ...wanted }),
          close: () => void this.#listeners.delete(key),
        };
        return Promise.resolve(handle);
      },
    };
  }

  /** What the socket that listens there was given. */
  listening(address: IpAddress, port: number): { readonly keys: readonly Md5Key[]; readonly options: SocketOptions } {
    const found = this.#listeners.get(`${address} ${port}`);
    if (found === undefined) throw new Error(`nobody listens on ${address} port ${port}`);
    return found;
  }

  /** What the host with these addresses dials with. */
  dialer(...addresses: readonly IpAddress[]): Dialer {
    return { dial: (options, handler) => this.#dial(addresses, options, handler) };
  }

  /** From now on nothing reaches or leaves this address, and nobody is told: its power is cut. */
  silence(address: IpAddress): void {
    this.#silent.add(address);
  }

  revive(address: IpAddress): void {
    this.#silent.delete(address);
  }

  /** Streams that have not ended, one entry for each of their two sides. */
  get openCount(): number {
    return this.#streams.filter((stream) => !stream.isOver).length;
  }

  /** Octets written to any stream that have not been taken. */
  get queuedBytes(): number {
    return this.#streams.reduce((sum, stream) => sum + (stream.isOver ? 0 : stream.queuedBytes), 0);
  }

  isCut(a: IpAddress, b: IpAddress): boolean {
    return this.#silent.has(a) || this.#silent.has(b);
  }

  delay(): number {
    const [least, most] = this.#options.delayMillis;
    return least + (most - least) * this.#entropy.fraction();
  }

  get options(): Required<NetworkOptions> {
    return this.#options;
  }

  #dial(addresses: readonly IpAddress[], options: DialOptions, handler: StreamHandler): () => void {
    const { remote } = options;
    const address = options.localAddress ?? addresses.find((one) => one.includes(":") === remote.address.includes(":"));
    if (address === undefined) throw new Error(`no address to dial ${remote.address} from`);
    const scope = options.interfaceName === undefined ? {} : { interfaceName: options.interfaceName };
    const scoped = (end: Endpoint): Endpoint =>
      isIpv6(end.address) && isLinkLocal(end.address) ? { ...end, ...scope } : end;
    const local = scoped({ address, port: this.#nextPort++ });
    let stream: VirtualStream | null = null;
    let isGivenUp = false;
    const after = (perform: () => void): void => {
      this.#time.after(this.delay(), () => {
        if (!this.isCut(local.address, remote.address)) perform();
      });
    };
    after(() => {
      const listening = this.#listeners.get(`${remote.address} ${remote.port}`);
      if (listening === undefined) {
        after(() => !isGivenUp && handler.onEnd({ kind: "refused" }));
        return;
      }
      if (keyFor(local.address, listening.keys) !== options.md5Password) return;
      if ((options.ttl ?? 64) < (listening.options.minTtl ?? 0)) return;
      const ours = new VirtualStream(this, this.#time, local, scoped(remote));
      const theirs = new VirtualStream(this, this.#time, scoped(remote), local);
      ours.join(theirs);
      this.#streams.push(ours, theirs);
      // The dialler learns of the connection a while after the listener has it, and may have given up by then.
      after(() => {
        if (isGivenUp) return ours.destroy();
        stream = ours;
        ours.serve(handler);
      });
      const acceptor = listening.accept(theirs);
      if (acceptor === null) theirs.close();
      else theirs.serve(acceptor);
    });
    return () => {
      isGivenUp = true;
      stream?.abandon();
    };
  }
}

/** The password of the longest prefix. */
const keyFor = (remote: IpAddress, keys: readonly Md5Key[]): string | undefined =>
  keys
    .map((key) => ({
      key,
      prefix: key.remote.includes("/") ? (key.remote as Prefix) : hostPrefix(key.remote as IpAddress),
    }))
    .filter(({ prefix }) => prefixContains(prefix, remote))
    .toSorted((a, b) => prefixLength(b.prefix) - prefixLength(a.prefix))[0]?.key.password;

/** One side of a stream. */
class VirtualStream implements ByteStream {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly #network: VirtualNetwork;
  readonly #time: VirtualTime;
  #joined: VirtualStream | null = null;
  #handler: StreamHandler | null = null;
  /** Arrived before anybody served the stream. */
  readonly #early: (() => void)[] = [];
  /** Written, and not yet taken by the other side's window. */
  #queue: Uint8Array[] = [];
  /** In the other side's window, or on the way there. */
  #inFlight = 0;
  #lastArrival = 0;
  #isClosing = false;
  #isOver = false;
  #isReading = true;
  #unread: Uint8Array[] = [];
  /** What it was told by `setOptions`. */
  options: SocketOptions & { readonly md5Password?: string } = {};

  constructor(network: VirtualNetwork, time: VirtualTime, local: Endpoint, remote: Endpoint) {
    this.#network = network;
    this.#time = time;
    this.local = local;
    this.remote = remote;
  }

  join(other: VirtualStream): void {
    this.#joined = other;
    other.#joined = this;
  }

  get #other(): VirtualStream {
    if (this.#joined === null) throw new Error("a stream has two sides");
    return this.#joined;
  }

  serve(handler: StreamHandler): void {
    this.#handler = handler;
    handler.onOpen(this);
    for (const event of this.#early.splice(0)) event();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get queuedBytes(): number {
    return this.#queue.reduce((sum, piece) => sum + piece.length, 0);
  }

  /** Also for a peer that stops reading, as a program that hangs does. */
  pause(): void {
    this.#isReading = false;
  }

  /** What waited comes as events of their own, and in order. */
  resume(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#time.after(0, () => {
      while (this.#isReading && this.#unread.length > 0) this.#take(this.#unread.shift()!);
    });
  }

  setOptions(options: SocketOptions & { readonly md5Password?: string }): void {
    this.options = { ...this.options, ...options };
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver || this.#isClosing) return;
    const { pieceLength } = this.#network.options;
    for (let at = 0; at < bytes.length; at += pieceLength) this.#queue.push(bytes.slice(at, at + pieceLength));
    this.#transmit();
  }

  close(): void {
    if (this.#isOver || this.#isClosing) return;
    this.#isClosing = true;
    this.#transmit();
    this.#time.after(1000, () => this.destroy());
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#queue = [];
    this.#arrive(() => this.#other.#end({ kind: "reset" }));
    this.#time.after(0, () => this.#end({ kind: "closed-by-us" }));
  }

  abandon(): void {
    this.#handler = null;
    this.destroy();
  }

  #transmit(): void {
    const hadQueue = this.#queue.length > 1;
    while (this.#queue.length > 0 && this.#inFlight < this.#network.options.windowLength) {
      const piece = this.#queue.shift()!;
      this.#inFlight += piece.length;
      this.#arrive(() => this.#other.#receive(piece));
    }
    if (this.#queue.length > 0) return;
    if (this.#isClosing) this.#arrive(() => this.#other.#peerClosed());
    else if (hadQueue) this.#time.after(0, () => this.#tell(() => this.#handler?.onDrain()));
  }

  /** In order: nothing overtakes what was sent before it. */
  #arrive(event: () => void): void {
    const at = Math.max(this.#lastArrival, this.#time.now() + this.#network.delay());
    this.#lastArrival = at;
    this.#time.after(at - this.#time.now(), () => {
      if (!this.#network.isCut(this.local.address, this.remote.address)) event();
    });
  }

  #receive(piece: Uint8Array): void {
    if (this.#isReading && this.#unread.length === 0) this.#take(piece);
    else this.#unread.push(piece);
  }

  #take(piece: Uint8Array): void {
    this.#tell(() => this.#handler?.onData(piece));
    const sender = this.#other;
    sender.#inFlight -= piece.length;
    if (sender.#queue.length > 0) {
      sender.#transmit();
      if (sender.#queue.length === 0) this.#time.after(0, () => sender.#tell(() => sender.#handler?.onDrain()));
    }
  }

  #peerClosed(): void {
    if (this.#isOver) return;
    this.#arrive(() => this.#other.#end({ kind: "closed-by-us" }));
    this.#end({ kind: "closed-by-peer" });
  }

  #end(end: StreamEnd): void {
    if (this.#isOver) return;
    this.#tell(() => {
      const handler = this.#handler;
      this.#handler = null;
      handler?.onEnd(end);
    });
    this.#isOver = true;
  }

  /** What happens to an accepted stream before it is served waits for its handler. */
  #tell(event: () => void): void {
    if (this.#isOver) return;
    if (this.#handler === null) this.#early.push(event);
    else event();
  }
}
