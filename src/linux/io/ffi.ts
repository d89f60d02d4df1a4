import { constants } from "node:os";
import util from "node:util";
import koffi from "koffi";

/**
 * The one door to the C library. Everything here takes numbers and byte arrays and returns numbers; no pointer and no
 * foreign type passes this file. A call that fails throws `SystemError`, with errno mapped to its name here and
 * nowhere else. `int` arguments are native-endian through `int32`; structures are laid out by the callers, for the
 * 64-bit little-endian machines that the product is built for.
 */
const c = koffi.load(null);
koffi.struct("sock_fprog", { count: "uint16_t", instructions: "const uint8_t *" });
const raw = {
  socket: c.func("int socket(int domain, int type, int protocol)"),
  bind: c.func("int bind(int fd, const void *address, uint32_t length)"),
  setsockopt: c.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)"),
  send: c.func("intptr_t send(int fd, const void *bytes, uintptr_t length, int flags)"),
  sendto: c.func("intptr_t sendto(int fd, const void *bytes, uintptr_t length, int flags, const void *to, uint32_t n)"),
  recv: c.func("intptr_t recv(int fd, void *bytes, uintptr_t length, int flags)"),
  attachFilter: c.func("setsockopt", "int", ["int", "int", "int", "const sock_fprog *", "uint32_t"]),
  close: c.func("int close(int fd)"),
  interfaceIndex: c.func("uint32_t if_nametoindex(const char *name)"),
};

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number, name]),
);

const errnoName = (errno: number): string => ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
/** The C library's sentence for an error number. */
export const errnoMessage = (errno: number): string => util.getSystemErrorMessage(-errno) ?? errnoName(errno);

/** A system call said no. `code` is the name ("EPERM"), as in Node's own errors. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly code: string;
  readonly errno: number;
  constructor(call: string, errno: number) {
    super(`${call}: ${errnoMessage(errno)} (${errnoName(errno)})`);
    this.errno = errno;
    this.code = errnoName(errno);
  }
}

const checked = (call: string, result: number): number => {
  if (result < 0) throw new SystemError(call, koffi.errno());
  return result;
};

export const AF_PACKET = 17;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
/** Makes recv return the datagram's true length, so that a cut one is noticed. */
const MSG_TRUNC = 0x20;

/** A four-octet native int, as most socket options want it. */
export function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

/** A close-on-exec socket; the caller closes it. */
export function openSocket(family: number, type: number, protocol: number, nonBlocking: boolean): number {
  const flags = SOCK_CLOEXEC | (nonBlocking ? SOCK_NONBLOCK : 0);
  return checked("socket", raw.socket(family, type | flags, protocol));
}

export function bindSocket(fd: number, address: Uint8Array): void {
  checked("bind", raw.bind(fd, address, address.length));
}

/** @param what  the option's name, for the error message */
export function setSocketOption(fd: number, what: string, level: number, name: number, value: Uint8Array): void {
  checked(`setsockopt ${what}`, raw.setsockopt(fd, level, name, value, value.length));
}

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
/** sizeof(struct sock_fprog), with its padding. */
const FILTER_PROGRAM_LENGTH = 16;

/** @param instructions  of classic BPF: struct sock_filter, eight octets each */
export function attachFilter(fd: number, instructions: Uint8Array): void {
  const program = { count: instructions.length / 8, instructions };
  const result = raw.attachFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, FILTER_PROGRAM_LENGTH);
  checked("setsockopt SO_ATTACH_FILTER", result);
}

/** Null when there is no such interface. */
export const interfaceIndex = (name: string): number | null => raw.interfaceIndex(name) || null;

/** Sends one datagram, to `address` when given. */
export function sendDatagram(fd: number, bytes: Uint8Array, address?: Uint8Array): void {
  if (address) checked("sendto", raw.sendto(fd, bytes, bytes.length, 0, address, address.length));
  else checked("send", raw.send(fd, bytes, bytes.length, 0));
}

/**
 * Receives one datagram into `buffer` and returns the filled part, which aliases it. Null when nothing is there: at
 * once with `wait` false, after the socket's receive timeout otherwise.
 */
export function receiveDatagram(fd: number, buffer: Uint8Array, wait: boolean): Uint8Array | null {
  for (;;) {
    const length: number = raw.recv(fd, buffer, buffer.length, MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT));
    if (length > buffer.length) throw new SystemError("recv", constants.errno.EMSGSIZE);
    if (length >= 0) return buffer.subarray(0, length);
    const errno = koffi.errno();
    if (errno === constants.errno.EAGAIN) return null;
    if (errno !== constants.errno.EINTR) throw new SystemError("recv", errno);
  }
}

export function closeSocket(fd: number): void {
  checked("close", raw.close(fd));
}

/**
 * Calls `onReadable` from the event loop while `fd` has something to read or an error to tell (libuv's own poll
 * handle, so no thread and no timer). The callback must read until nothing is left. Close the watch before the
 * descriptor.
 *
 * @throws Error when this build of Node does not let native modules reach its event loop
 */
export function watchReadable(fd: number, onReadable: () => void): { close(): void } {
  let closed = false;
  // Called with libuv's status, whatever koffi's types say.
  const ring = (status: unknown): void => {
    try {
      onReadable();
      // An error on the socket, such as a netlink queue that ran over, makes libuv stop polling it.
      if (status !== 0 && !closed) handle.start({ readable: true }, ring);
    } catch (error) {
      // An exception in a foreign callback vanishes and stops later calls: let the event loop raise it instead.
      setImmediate(() => {
        throw error;
      });
    }
  };
  const handle = pollHandle(fd, ring);
  return {
    close() {
      closed = true;
      handle.close();
    },
  };
}

function pollHandle(fd: number, ring: (status: unknown) => void): ReturnType<typeof koffi.node.poll> {
  try {
    return koffi.node.poll(fd, { readable: true }, ring);
  } catch (cause) {
    const advice = "run vipcast with an official Node binary";
    throw new Error(`this build of Node does not let native code watch a descriptor; ${advice}`, { cause });
  }
}
