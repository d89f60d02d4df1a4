import net from "node:net";
import { familyOf, ip, type IpAddress, isLinkLocal, parseIp } from "../../addr/ip.ts";
import { Instant } from "../../base/time.ts";
import type {
  ByteStream,
  Dialer,
  Endpoint,
  Listener,
  SocketOptions,
  StreamEnd,
  StreamHandler,
} from "../../ports/stream.ts";
import { Md5Keys, prepareSocket, setMd5Key, setTcpOptions } from "./socket-options.ts";
import { systemClock } from "./system-clock.ts";

/**
 * TCP for BGP on Node's own sockets. `net.BoundSocket` gives the descriptor before connect or listen, so the options
 * that Node does not know are set on it through FFI; everything after that is plain `net`.
 */

/** How long a closing stream may flush and wait for the peer's FIN before it is reset. */
const LINGER_MILLIS = 1000;
/** Refused connections of one listener that may linger at one time; more are reset. */
const REFUSED_COUNT_MAX = 32;

export const tcpDialer: Dialer = {
  dial(options, handler) {
    const { address, port } = options.remote;
    let connection: Connection | null = null;
    let abandoned = false;
    try {
      const socket = openSocket(options.localAddress ?? null, options.interfaceName, familyOf(address), (fd) => {
        prepareSocket(fd, familyOf(address), options);
        if (options.md5Password !== undefined) setMd5Key(fd, address, options.md5Password);
      });
      connection = new Connection(socket, handler, options.interfaceName);
      connection.connect(scoped(address, options.interfaceName), port);
    } catch (error) {
      // Not from inside dial(): the caller does not have the give-up function yet.
      queueMicrotask(() => {
        if (!abandoned) handler.onEnd(endOf(error));
      });
    }
    return () => {
      abandoned = true;
      connection?.abandon();
    };
  },
};

export const tcpListener: Listener = {
  listen(options, accept) {
    return new Promise((resolve, reject) => {
      const family = familyOf(options.local.address);
      const bound = new net.BoundSocket({
        host: scoped(options.local.address, options.interfaceName),
        port: options.local.port,
        ipv6Only: family === 6,
      });
      const fd = bound.fd();
      const keys = new Md5Keys(fd, family);
      try {
        prepareSocket(fd, family, options);
        keys.set(options.md5Keys ?? []);
      } catch (error) {
        bound.close();
        throw error;
      }
      let refusedCount = 0;
      const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        const connection = new Connection(socket, null, options.interfaceName);
        const handler = accept(connection);
        if (handler !== null) return connection.serve(handler);
        // A flood of strangers is not waited for.
        if (refusedCount >= REFUSED_COUNT_MAX) return connection.destroy();
        refusedCount++;
        socket.once("close", () => refusedCount--);
        connection.close();
      });
      server.once("error", reject);
      server.listen(bound, () => {
        server.off("error", reject);
        // accept() failing (out of descriptors, say) costs the peer that attempt; it will try again.
        server.on("error", () => {});
        resolve({
          setMd5Keys: (wanted) => {
            if (server.listening) keys.set(wanted);
          },
          setOptions: (wanted) => {
            if (server.listening) setTcpOptions(fd, family, wanted);
          },
          close: () => void server.close(),
        });
      });
    });
  },
};

/** One TCP connection: turns Node's events into the promises of `StreamHandler`. */
class Connection implements ByteStream {
  readonly #socket: net.Socket;
  /** The device that the socket is bound to; else Node names the interface of a link-local address. */
  readonly #device: string | undefined;
  /** Null while nobody listens: not yet accepted, given up, or ended. */
  #handler: StreamHandler | null;
  #linger: { close(): void } | null = null;
  #end: StreamEnd | null = null;
  local: Endpoint = NOWHERE;
  remote: Endpoint = NOWHERE;

  constructor(socket: net.Socket, handler: StreamHandler | null, device: string | undefined) {
    this.#socket = socket;
    this.#device = device;
    this.#handler = handler;
    if (!socket.connecting && socket.remoteAddress !== undefined) this.#learnEndpoints();
    socket.on("data", ({ buffer, byteOffset, byteLength }: Buffer) => {
      // Not as a Buffer: a slice of one is no copy, and would keep the whole piece alive with the octet that is kept.
      if (this.#end === null) this.#handler?.onData(new Uint8Array(buffer, byteOffset, byteLength));
    });
    socket.on("end", () => {
      this.#end ??= { kind: "closed-by-peer" };
      this.#finish();
    });
    socket.on("error", (error) => (this.#end ??= endOf(error)));
    socket.on("close", () => {
      this.#linger?.close();
      const listener = this.#handler;
      this.#handler = null;
      listener?.onEnd(this.#end ?? { kind: "reset" });
    });
  }

  connect(host: string, port: number): void {
    this.#socket.setNoDelay(true);
    this.#socket.once("connect", () => {
      this.#learnEndpoints();
      this.#handler?.onOpen(this);
    });
    this.#socket.connect({ host, port });
  }

  /** Starts delivering an accepted stream to its handler. */
  serve(handler: StreamHandler): void {
    this.#handler = handler;
    handler.onOpen(this);
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): void {
    if (this.#end !== null || !this.#socket.writable) return;
    this.#socket.write(bytes, () => {
      if (waited && this.#end === null && this.#socket.writableLength === 0) this.#handler?.onDrain();
    });
    // What the kernel took at once never was in the buffer, so its end is no event.
    const waited = this.#socket.writableLength > 0;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  setOptions(options: SocketOptions & { readonly md5Password?: string }): void {
    const fd = descriptorOf(this.#socket);
    if (fd === null) return; // it has ended already
    setTcpOptions(fd, familyOf(this.remote.address), options);
    if (options.md5Password !== undefined) setMd5Key(fd, this.remote.address, options.md5Password);
  }

  close(): void {
    this.#end ??= { kind: "closed-by-us" };
    this.#finish();
  }

  destroy(): void {
    this.#end ??= { kind: "closed-by-us" };
    this.#socket.resetAndDestroy();
  }

  /** Ends it, whatever its state, without another word to the handler. */
  abandon(): void {
    this.#handler = null;
    if (this.#socket.connecting) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  /** Flushes and half-closes; the socket goes away with the peer's FIN, or is reset when its time is up. */
  #finish(): void {
    if (this.#linger !== null || this.#socket.destroyed) return;
    const alarm = systemClock.alarm(() => this.#socket.resetAndDestroy());
    alarm.set(Instant.add(systemClock.now(), LINGER_MILLIS));
    this.#linger = alarm;
    this.#socket.resume(); // else the peer's FIN is never seen
    if (this.#socket.connecting) this.#socket.destroy();
    else this.#socket.end();
  }

  #learnEndpoints(): void {
    const { localAddress, localPort, remoteAddress, remotePort } = this.#socket;
    this.local = endpoint(localAddress, localPort, this.#device) ?? this.local;
    this.remote = endpoint(remoteAddress, remotePort, this.#device) ?? this.remote;
  }
}

/** Stands for an address not known yet; a connection has real ones before its handler sees it. */
const NOWHERE: Endpoint = { address: ip("0.0.0.0"), port: 0 };

/** Binds, lets `prepare` set options, and wraps the descriptor; nothing stays open when a step fails. */
function openSocket(
  localAddress: IpAddress | null,
  interfaceName: string | undefined,
  family: 4 | 6,
  prepare: (fd: number) => void,
): net.Socket {
  const any = family === 4 ? "0.0.0.0" : "::";
  const host = localAddress === null ? any : scoped(localAddress, interfaceName);
  const bound = new net.BoundSocket({ host, port: 0, ipv6Only: family === 6 });
  try {
    prepare(bound.fd());
  } catch (error) {
    bound.close();
    throw error;
  }
  return new net.Socket({ handle: bound, allowHalfOpen: true });
}

/** A link-local IPv6 address means nothing without its interface. */
const scoped = (address: IpAddress, interfaceName: string | undefined): string =>
  interfaceName !== undefined && familyOf(address) === 6 && isLinkLocal(address)
    ? `${address}%${interfaceName}`
    : address;

/** Takes the scope apart, and off the IPv6 clothes of an IPv4 peer on a dual-stack socket. */
function endpoint(text: string | undefined, port: number | undefined, device: string | undefined): Endpoint | null {
  const [plain, scope] = text?.replace(/^::ffff:(?=\d+\.)/, "").split("%") ?? [];
  const address = plain === undefined ? null : parseIp(plain);
  if (address === null || port === undefined) return null;
  const interfaceName = familyOf(address) === 6 && isLinkLocal(address) ? (device ?? scope) : undefined;
  return interfaceName === undefined ? { address, port } : { address, port, interfaceName };
}

/** Node has no public way to the descriptor of a socket that was accepted. */
function descriptorOf(socket: net.Socket): number | null {
  const { _handle: handle } = socket as unknown as { _handle?: { readonly fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : null;
}

const ABSENT_SOURCE = "no interface of this machine has the source address";

/** What an error of the socket means to a person. */
function endOf(error: unknown): StreamEnd {
  const { code, message } = error as NodeJS.ErrnoException;
  const known = END_OF_CODE[code ?? ""];
  if (known !== undefined) return { kind: known };
  return { kind: "failed", message: message.replace(/^bind EADDRNOTAVAIL/, ABSENT_SOURCE) };
}

const END_OF_CODE: Readonly<Record<string, "refused" | "timed-out" | "reset" | "unreachable">> = {
  ECONNREFUSED: "refused",
  ETIMEDOUT: "timed-out",
  ECONNRESET: "reset",
  ECONNABORTED: "reset",
  EPIPE: "reset",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETDOWN: "unreachable",
};
