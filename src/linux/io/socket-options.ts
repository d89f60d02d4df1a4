import { familyOf, type IpAddress, isIpv4, ipToBytes } from "../../addr/ip.ts";
import { prefixAddress, prefixLength, type Prefix } from "../../addr/prefix.ts";
import type { Md5Key, SocketOptions } from "../../ports/stream.ts";
import { int32, interfaceIndex, setSocketOption, SystemError } from "./ffi.ts";

const SOL_SOCKET = 1;
const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
/** Class selector 6, what routers put on routing traffic so that a full link does not drop the session. */
const DSCP_CS6 = 0xc0;
const MD5_KEY_MAX_LENGTH = 80;
/** IFNAMSIZ without the closing NUL. */
const INTERFACE_NAME_MAX_LENGTH = 15;

/**
 * Sets the options of a TCP socket: before it connects or listens, so that the handshake has them, or on one that was
 * accepted. Accepted sockets inherit those of the listening one.
 */
export function setTcpOptions(fd: number, family: 4 | 6, options: SocketOptions): void {
  const v4 = family === 4;
  const { ttl, minTtl, trafficClass, userTimeoutMillis, maxSegmentLength } = options;
  const set = (name: string, level: number, option: number, value: number): void =>
    setSocketOption(fd, name, level, option, int32(value));
  if (trafficClass !== undefined) {
    if (v4) set("IP_TOS", IPPROTO_IP, 1, trafficClass);
    else set("IPV6_TCLASS", IPPROTO_IPV6, 67, trafficClass);
  }
  if (ttl !== undefined) {
    if (v4) set("IP_TTL", IPPROTO_IP, 2, ttl);
    else set("IPV6_UNICAST_HOPS", IPPROTO_IPV6, 16, ttl);
  }
  if (minTtl !== undefined) {
    if (v4) set("IP_MINTTL", IPPROTO_IP, 21, minTtl);
    else set("IPV6_MINHOPCOUNT", IPPROTO_IPV6, 73, minTtl);
  }
  if (userTimeoutMillis !== undefined) set("TCP_USER_TIMEOUT", IPPROTO_TCP, 18, userTimeoutMillis);
  if (maxSegmentLength !== undefined) set("TCP_MAXSEG", IPPROTO_TCP, 2, maxSegmentLength);
}

/** The options of a new socket: those given, and the traffic class of routing where none is. */
export function prepareSocket(
  fd: number,
  family: 4 | 6,
  options: SocketOptions & { readonly interfaceName?: string },
): void {
  setTcpOptions(fd, family, { trafficClass: DSCP_CS6, ...options });
  if (options.interfaceName === undefined) return;
  const name = new TextEncoder().encode(options.interfaceName);
  // The kernel cuts a longer name and would bind to another device.
  if (name.length > INTERFACE_NAME_MAX_LENGTH) throw new RangeError(`no interface name: ${options.interfaceName}`);
  setSocketOption(fd, `SO_BINDTODEVICE ${options.interfaceName}`, SOL_SOCKET, 25, name);
}

/** struct tcp_md5sig: 216 octets, of which the first 128 are a socket address. */
const MD5_SIGNATURE = { length: 216, flags: 128, prefixLength: 129, keyLength: 130, interfaceIndex: 132, key: 136 };
const MD5_FLAG = { prefix: 1, interface: 2 };

/**
 * Sets the TCP-MD5 key (RFC 2385) for segments from and to `remote`, or takes it away when `password` is null; may be
 * called on a listening socket at any time.
 *
 * @throws RangeError when the key is empty or longer than 80 octets
 */
export function setMd5Key(
  fd: number,
  remote: IpAddress | Prefix,
  password: string | null,
  interfaceName?: string,
): void {
  const key = new TextEncoder().encode(password ?? "");
  if (password !== null && (key.length === 0 || key.length > MD5_KEY_MAX_LENGTH)) {
    throw new RangeError(`a TCP MD5 key has 1 to ${MD5_KEY_MAX_LENGTH} octets, not ${key.length}`);
  }
  const prefix = remote.includes("/") ? (remote as Prefix) : null;
  const index = interfaceName === undefined ? null : interfaceIndex(interfaceName);
  const signature = (flags: number): Uint8Array => {
    const bytes = new Uint8Array(MD5_SIGNATURE.length);
    const view = new DataView(bytes.buffer);
    bytes.set(sockaddr(prefix === null ? (remote as IpAddress) : prefixAddress(prefix)), 0);
    view.setUint8(MD5_SIGNATURE.flags, flags);
    if (prefix !== null) view.setUint8(MD5_SIGNATURE.prefixLength, prefixLength(prefix));
    if ((flags & MD5_FLAG.interface) !== 0) view.setInt32(MD5_SIGNATURE.interfaceIndex, index ?? 0, true);
    view.setUint16(MD5_SIGNATURE.keyLength, key.length, true);
    bytes.set(key, MD5_SIGNATURE.key);
    return bytes;
  };
  const set = (flags: number): void =>
    flags === 0
      ? setSocketOption(fd, "TCP_MD5SIG", IPPROTO_TCP, 14, signature(0))
      : setSocketOption(fd, "TCP_MD5SIG_EXT", IPPROTO_TCP, 32, signature(flags));
  const flags = prefix === null ? 0 : MD5_FLAG.prefix;
  if (index === null) return set(flags);
  try {
    set(flags | MD5_FLAG.interface);
  } catch (error) {
    // The kernel knows only VRFs by their index.
    if (!(error instanceof SystemError) || error.code !== "EINVAL") throw error;
    set(flags);
  }
}

/** The keys of one listening socket, made to be what is wanted by their difference. */
export class Md5Keys {
  readonly #fd: number;
  readonly #family: 4 | 6;
  #keys: ReadonlyMap<string, Md5Key> = new Map();

  constructor(fd: number, family: 4 | 6) {
    this.#fd = fd;
    this.#family = family;
  }

  /** @throws Error when the kernel refuses a key; the others are set, and this one is tried again by the next call */
  set(keys: readonly Md5Key[]): void {
    const before = this.#keys;
    const wanted = new Map(
      keys
        .filter(({ remote }) => familyOf(remote as IpAddress) === this.#family)
        .map((key) => [`${key.remote} ${key.interfaceName ?? ""}`, key]),
    );
    const now = new Map<string, Md5Key>();
    const failures: unknown[] = [];
    const attempt = (name: string, key: Md5Key, password: string | null): void => {
      try {
        setMd5Key(this.#fd, key.remote, password, key.interfaceName);
        if (password !== null) now.set(name, key);
      } catch (error) {
        // Gone with its twin of another interface.
        if (password === null && error instanceof SystemError && error.code === "ENOENT") return;
        failures.push(error);
        // The kernel has the one before still, and whoever takes it away has to know.
        const old = before.get(name);
        if (old !== undefined && password !== null) now.set(name, old);
      }
    };
    // First those that go: without a VRF, two keys of different interfaces are one to the kernel, and both go with one.
    const gone = new Set<string>();
    for (const [name, key] of before) {
      if (wanted.has(name)) continue;
      attempt(name, key, null);
      gone.add(key.remote);
    }
    for (const [name, key] of wanted) {
      if (before.get(name)?.password === key.password && !gone.has(key.remote)) now.set(name, key);
      else attempt(name, key, key.password);
    }
    this.#keys = now;
    if (failures.length > 0) throw failures[0];
  }
}

/** sockaddr_in or sockaddr_in6 with port and scope 0. */
export function sockaddr(address: IpAddress): Uint8Array {
  const v4 = isIpv4(address);
  const bytes = new Uint8Array(v4 ? 16 : 28);
  new DataView(bytes.buffer).setUint16(0, v4 ? 2 : 10, true);
  bytes.set(ipToBytes(address), v4 ? 4 : 8);
  return bytes;
}
