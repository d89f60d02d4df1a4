import { createServer, type Server, type Socket } from "node:net";
import { message, open, TYPE } from "./bgp-bytes.ts";

/** What one session showed after it was sent something. */
export interface Verdict {
  /** Code and subcode of the NOTIFICATION that came; null when none did. */
  readonly notification: readonly [number, number] | null;
  readonly closed: boolean;
}

/**
 * A thousand small routers behind one listener, told apart by the address that the daemon dials. Each completes the
 * handshake, answers keepalives, and does what the test tells it.
 */
export class Routers {
  readonly #server: Server;
  readonly #sessions = new Map<string, Session>();

  constructor() {
    this.#server = createServer((socket) => {
      const address = (socket.localAddress ?? "").replace("::ffff:", "");
      this.#sessions.get(address)?.destroy();
      this.#sessions.set(address, new Session(socket, address));
    });
  }

  /** Binds at once, in the network namespace of the caller. */
  listen(port: number): void {
    this.#server.listen(port);
  }

  get established(): number {
    return [...this.#sessions.values()].filter((session) => session.isEstablished).length;
  }

  session(address: string): Session | null {
    const session = this.#sessions.get(address);
    return session?.isEstablished ? session : null;
  }

  close(): void {
    for (const session of this.#sessions.values()) session.destroy();
    this.#server.close();
  }
}

export class Session {
  readonly #socket: Socket;
  #pending = Buffer.alloc(0);
  #established = false;
  /** The daemon's End-of-RIB has come: what comes now is an answer. */
  #told = false;
  #closed = false;
  #notification: readonly [number, number] | null = null;
  #refreshed = 0;

  constructor(socket: Socket, address: string) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#closed = true;
      this.#established = false;
    });
    socket.write(open(address.split(".").map(Number), 90));
  }

  get isEstablished(): boolean {
    return this.#established && this.#told;
  }

  /** End-of-RIB markers and updates that came: grows when a route refresh is answered. */
  get updates(): number {
    return this.#refreshed;
  }

  get verdict(): Verdict {
    return { notification: this.#notification, closed: this.#closed };
  }

  send(bytes: Uint8Array): void {
    if (!this.#closed) this.#socket.write(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 19) {
      const length = this.#pending.readUInt16BE(16);
      if (this.#pending.length < length) return;
      const [type, body] = [this.#pending[18], this.#pending.subarray(19, length)];
      this.#pending = this.#pending.subarray(length);
      if (type === TYPE.open) this.#socket.write(message(TYPE.keepalive));
      else if (type === TYPE.keepalive) this.#established = !this.#closed;
      else if (type === TYPE.update) {
        this.#refreshed++;
        this.#told ||= body.every((octet) => octet === 0);
      } else if (type === TYPE.notification) {
        this.#notification = [body[0] ?? 0, body[1] ?? 0];
        this.#socket.end();
      }
    }
  }
}
