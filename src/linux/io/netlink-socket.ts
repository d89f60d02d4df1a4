import { constants } from "node:os";
import { NetlinkRefused } from "../../ports/network.ts";
import {
  decodeMessages,
  decodeOutcome,
  encodeMessage,
  FLAG,
  type NetlinkMessage,
  NLMSG,
  type Outcome,
} from "../wire/message.ts";
import { NativeWriter } from "../wire/native-bytes.ts";
import {
  AF_NETLINK,
  closeSocket,
  errnoMessage,
  int32,
  openSocket,
  receiveDatagram,
  sendDatagram,
  setSocketOption,
  SOCK_RAW,
  SystemError,
} from "./ffi.ts";

const NETLINK_ROUTE = 0;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

/** The kernel fills at most 32 KiB into one datagram of a dump. */
const RECEIVE_LENGTH = 65_536;
/** An answer is there when send() returns; this bounds the wait for a kernel that is not well. */
const ANSWER_TIMEOUT_SECONDS = 2;
/** Dumps that changes ran into are repeated; past this, events tell of those changes anyway and cause another look. */
const DUMP_ATTEMPTS_MAX = 10;

/** Carries datagrams to the kernel and back; `receive` gives null when no answer came in time. */
export interface NetlinkTransport {
  send(datagram: Uint8Array): void;
  receive(): Uint8Array | null;
  close(): void;
}

/** Requests to the kernel with their answers, one at a time. */
export class NetlinkSocket {
  readonly #transport: NetlinkTransport;
  #sequence = 0;

  constructor(transport: NetlinkTransport = openNetlinkTransport(NETLINK_ROUTE)) {
    this.#transport = transport;
  }

  close(): void {
    this.#transport.close();
  }

  /**
   * Asks for a change and waits until the kernel has made it.
   *
   * @param tolerated  error numbers that mean "nothing to do"
   * @returns false when the kernel answered with one of `tolerated`
   * @throws NetlinkRefused when it said no, or nothing
   */
  request(
    what: string,
    request: Pick<NetlinkMessage, "type" | "flags" | "payload">,
    tolerated: readonly number[],
  ): boolean {
    const { outcome } = this.#exchange(what, { ...request, flags: request.flags | FLAG.ack });
    if (tolerated.includes(outcome.errno)) return false;
    if (outcome.errno !== 0) throw refusal(what, outcome);
    return true;
  }

  /** The payload of one object; null when there is none. */
  get(what: string, type: number, payload: Uint8Array): Uint8Array | null {
    const { outcome, payloads } = this.#exchange(what, { type, flags: FLAG.ack, payload });
    return outcome.errno === 0 ? (payloads[0] ?? null) : null;
  }

  /** The payloads of a whole dump, which are the caller's to keep. @throws NetlinkRefused */
  dump(what: string, type: number, payload: Uint8Array): Uint8Array[] {
    for (let attempt = 1; ; attempt++) {
      const { outcome, payloads, interrupted } = this.#exchange(what, { type, flags: FLAG.dump, payload });
      // A table that does not exist is an empty one.
      if (outcome.errno !== 0 && outcome.errno !== constants.errno.ENOENT) throw refusal(what, outcome);
      if (!interrupted || attempt === DUMP_ATTEMPTS_MAX) return payloads;
    }
  }

  #exchange(
    what: string,
    request: Pick<NetlinkMessage, "type" | "flags" | "payload">,
  ): { outcome: Outcome; payloads: Uint8Array[]; interrupted: boolean } {
    const sequence = (this.#sequence = (this.#sequence + 1) >>> 0);
    const message = encodeMessage({ ...request, flags: request.flags | FLAG.request, sequence });
    asRefusal(what, () => this.#transport.send(message));
    const payloads: Uint8Array[] = [];
    let interrupted = false;
    for (;;) {
      const datagram = asRefusal(what, () => this.#transport.receive());
      if (datagram === null) throw refusal(what, { errno: constants.errno.ETIMEDOUT, explanation: null });
      for (const message of decodeMessages(datagram)) {
        // A late answer to an earlier request, which has given up on it.
        if (message.sequence !== sequence) continue;
        if ((message.flags & FLAG.dumpInterrupted) !== 0) interrupted = true;
        if (message.type === NLMSG.done || message.type === NLMSG.error) {
          return { outcome: decodeOutcome(message), payloads, interrupted };
        }
        if (message.type !== NLMSG.noop) payloads.push(new Uint8Array(message.payload));
      }
    }
  }
}

/** @param protocol  the part of the kernel that is talked to @throws SystemError when the socket cannot be had */
export function openNetlinkTransport(
  protocol: number,
  options: { readonly sendBufferBytes?: number } = {},
): NetlinkTransport {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, protocol, false);
  const buffer = new Uint8Array(RECEIVE_LENGTH);
  const timeout = new NativeWriter().u32(ANSWER_TIMEOUT_SECONDS).u32(0).u32(0).u32(0).finish(); // struct timeval
  setSocketOption(fd, "SO_RCVTIMEO", SOL_SOCKET, SO_RCVTIMEO, timeout);
  if (options.sendBufferBytes !== undefined)
    setSocketOption(fd, "SO_SNDBUFFORCE", SOL_SOCKET, SO_SNDBUFFORCE, int32(options.sendBufferBytes));
  for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
    try {
      setSocketOption(fd, "netlink", SOL_NETLINK, option, int32(1));
    } catch {
      // Kernels before 4.20 lack the last one: errors say less, and dumps are filtered here only.
    }
  }
  return {
    send: (datagram) => sendDatagram(fd, datagram),
    receive: () => receiveDatagram(fd, buffer, true),
    close: () => closeSocket(fd),
  };
}

/** A kernel without buffers refuses at the system call already. */
function asRefusal<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw new NetlinkRefused(what, error.errno, error.message);
  }
}

const refusal = (what: string, { errno, explanation }: Outcome): NetlinkRefused =>
  new NetlinkRefused(what, errno, explanation ? `${errnoMessage(errno)} (${explanation})` : errnoMessage(errno));
