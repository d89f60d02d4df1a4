import { constants } from "node:os";
import koffi from "koffi";
import { closeSocket, SystemError } from "./ffi.ts";

/**
 * The calls of the thread that lives by datagrams: the second door to the C library beside ffi.ts, opened only there,
 * with the same rules. Structures are laid out for 64-bit little-endian machines.
 */
const c = koffi.load(null);
const raw = {
  ppoll: c.func("int ppoll(void *fds, uint64_t count, const void *timeout, const void *mask)"),
  recvmsg: c.func("intptr_t recvmsg(int fd, void *message, int flags)"),
  getsockopt: c.func("int getsockopt(int fd, int level, int name, void *value, void *length)"),
  setsockopt: c.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)"),
  eventfd: c.func("int eventfd(uint32_t initial, int flags)"),
  read: c.func("intptr_t read(int fd, void *bytes, uintptr_t length)"),
  write: c.func("intptr_t write(int fd, const void *bytes, uintptr_t length)"),
  nameToIndex: c.func("uint32_t if_nametoindex(const char *name)"),
  setScheduler: c.func("int sched_setscheduler(int pid, int policy, const void *parameters)"),
};

const checked = (call: string, result: number): number => {
  if (result < 0) throw new SystemError(call, koffi.errno());
  return result;
};

const MSG_DONTWAIT = 0x40;
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
const POLLIN = 1;
const NANOS_PER_MILLI = 1_000_000;

/** Wakes a thread that waits in `PollSet`: any thread of the process may raise it. */
export class WakeSignal {
  readonly fd: number;
  constructor(fd: number = checked("eventfd", raw.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))) {
    this.fd = fd;
  }
  raise(): void {
    raw.write(this.fd, ONE, ONE.length); // full means raised
  }
  /** Lowers it again. */
  clear(): void {
    raw.read(this.fd, new Uint8Array(8), 8);
  }
  close(): void {
    closeSocket(this.fd);
  }
}
const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

/** Waits until one of some descriptors has something to read. */
export class PollSet {
  #fds: readonly number[] = [];
  #entries = new DataView(new ArrayBuffer(0));
  readonly #timeout = new DataView(new ArrayBuffer(16));

  set(fds: readonly number[]): void {
    this.#fds = fds;
    this.#entries = new DataView(new ArrayBuffer(8 * fds.length));
    for (const [index, fd] of fds.entries()) {
      this.#entries.setInt32(index * 8, fd, true);
      this.#entries.setInt16(index * 8 + 4, POLLIN, true);
    }
  }

  /** The descriptors that are readable, or in error, after at most so long; none when a signal came. */
  wait(millis: number): readonly number[] {
    const nanos = Math.max(0, Math.round(millis * NANOS_PER_MILLI));
    this.#timeout.setBigInt64(0, BigInt(Math.floor(nanos / 1e9)), true);
    this.#timeout.setBigInt64(8, BigInt(nanos % 1e9), true);
    const count: number = raw.ppoll(bytesOf(this.#entries), this.#fds.length, bytesOf(this.#timeout), null);
    if (count < 0 && koffi.errno() !== constants.errno.EINTR) throw new SystemError("ppoll", koffi.errno());
    if (count <= 0) return [];
    return this.#fds.filter((_fd, index) => this.#entries.getInt16(index * 8 + 6, true) !== 0);
  }
}

const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** One piece of what the kernel says about a datagram. */
export interface ControlMessage {
  readonly level: number;
  readonly type: number;
  readonly data: DataView;
}

const MESSAGE_AT = 0;
const VECTOR_AT = 64;
const NAME_AT = 128;
const NAME_LENGTH = 28;
const CONTROL_AT = 192;
const CONTROL_LENGTH = 320;
const DATA_AT = 512;

/** One place for a datagram with all that belongs to it, used again for the next. Longer datagrams are cut. */
export class MessageBuffer {
  readonly #memory: ArrayBuffer;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #length = 0;

  constructor(length: number) {
    this.#memory = new ArrayBuffer(DATA_AT + length);
    this.#bytes = new Uint8Array(this.#memory);
    this.#view = new DataView(this.#memory);
    const base: bigint = koffi.address(this.#bytes);
    const pointer = (at: number, to: number): void => this.#view.setBigUint64(at, base + BigInt(to), true);
    // struct msghdr, then struct iovec.
    pointer(MESSAGE_AT, NAME_AT);
    pointer(MESSAGE_AT + 16, VECTOR_AT);
    this.#view.setBigUint64(MESSAGE_AT + 24, 1n, true);
    pointer(MESSAGE_AT + 32, CONTROL_AT);
    pointer(VECTOR_AT, DATA_AT);
    this.#view.setBigUint64(VECTOR_AT + 8, BigInt(length), true);
  }

  /** False when nothing is there, or only an error that the kernel wanted to tell about earlier datagrams. */
  receive(fd: number): boolean {
    this.#view.setUint32(MESSAGE_AT + 8, NAME_LENGTH, true);
    this.#view.setBigUint64(MESSAGE_AT + 40, BigInt(CONTROL_LENGTH), true);
    const length: number = raw.recvmsg(fd, this.#bytes, MSG_DONTWAIT);
    if (length < 0) return false;
    this.#length = length;
    return true;
  }

  get data(): Uint8Array {
    return this.#bytes.subarray(DATA_AT, DATA_AT + this.#length);
  }
  /** sockaddr of the sender. */
  get name(): Uint8Array {
    return this.#bytes.subarray(NAME_AT, NAME_AT + this.#view.getUint32(MESSAGE_AT + 8, true));
  }

  *control(): Generator<ControlMessage> {
    const end = CONTROL_AT + Number(this.#view.getBigUint64(MESSAGE_AT + 40, true));
    for (let at = CONTROL_AT; at + 16 <= end;) {
      const length = Number(this.#view.getBigUint64(at, true));
      if (length < 16 || at + length > end) return;
      yield {
        level: this.#view.getInt32(at + 8, true),
        type: this.#view.getInt32(at + 12, true),
        data: new DataView(this.#memory, at + 16, length - 16),
      };
      at += (length + 7) & ~7;
    }
  }
}

/** One classic BPF instruction: code, jump if true, jump if false, operand. */
export type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

/** Lets a program in the kernel decide which datagrams the socket gets. */
export function attachFilter(fd: number, program: readonly Instruction[]): void {
  const code = new DataView(new ArrayBuffer(8 * program.length));
  for (const [index, [opcode, ifTrue, ifFalse, operand]] of program.entries()) {
    code.setUint16(index * 8, opcode, true);
    code.setUint8(index * 8 + 2, ifTrue);
    code.setUint8(index * 8 + 3, ifFalse);
    code.setUint32(index * 8 + 4, operand, true);
  }
  const instructions = bytesOf(code);
  // struct sock_fprog holds a pointer: `instructions` must live through the call.
  const header = new DataView(new ArrayBuffer(16));
  header.setUint16(0, program.length, true);
  header.setBigUint64(8, koffi.address(instructions), true);
  checked("setsockopt SO_ATTACH_FILTER", raw.setsockopt(fd, 1, 26, bytesOf(header), 16));
  instructions.fill(0); // the kernel has its own copy; ours had to live until here
}

/** Datagrams that the socket lost to its filter or to a full queue. */
export function droppedCount(fd: number): number {
  const values = new DataView(new ArrayBuffer(64));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, values.byteLength, true);
  checked("getsockopt SO_MEMINFO", raw.getsockopt(fd, 1, 55, bytesOf(values), bytesOf(length)));
  return values.getUint32(8 * 4, true); // SK_MEMINFO_DROPS
}

/** Null: there is no such interface. */
export const interfaceIndexOf = (name: string): number | null => raw.nameToIndex(name) || null;

const SCHED_FIFO = 1;
/** Threads and processes made by this one are ordinary again. */
const SCHED_RESET_ON_FORK = 0x4000_0000;

/**
 * Gives the calling thread precedence over all ordinary ones. It must then never run without end: whoever shares its
 * core waits.
 *
 * @throws SystemError EPERM without CAP_SYS_NICE
 */
export function becomeRealTime(priority: number): void {
  const parameters = new DataView(new ArrayBuffer(4));
  parameters.setInt32(0, priority, true);
  checked("sched_setscheduler", raw.setScheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, bytesOf(parameters)));
}
