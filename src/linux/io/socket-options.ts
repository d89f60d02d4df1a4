import { type IpAddress, isIpv4, ipToBytes } from "../../addr/ip.ts";
import { int32, setSocketOption } from "./ffi.ts";

/** Options of one BGP socket; what is absent keeps the kernel's default. */
export interface TcpOptions {
  readonly ttl?: number | undefined;
  readonly minTtl?: number | undefined;
  readonly interfaceName?: string | undefined;
  readonly userTimeoutMillis?: number | undefined;
}

const SOL_SOCKET = 1;
const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
/** Class selector 6, what routers put on routing traffic so that a full link does not drop the session. */
const DSCP_CS6 = 0xc0;
const MD5_KEY_MAX_LENGTH = 80;
/** IFNAMSIZ without the closing NUL. */
const INTERFACE_NAME_MAX_LENGTH = 15;

/** Sets the options on a TCP socket that is bound but neither connected nor listening; accepted sockets inherit them. */
export function setTcpOptions(fd: number, family: 4 | 6, options: TcpOptions): void {
  const v4 = family === 4;
  const set = (name: string, level: number, option: number, value: number): void =>
    setSocketOption(fd, name, level, option, int32(value));
  if (v4) set("IP_TOS", IPPROTO_IP, 1, DSCP_CS6);
  else set("IPV6_TCLASS", IPPROTO_IPV6, 67, DSCP_CS6);
  if (options.ttl !== undefined) {
    if (v4) set("IP_TTL", IPPROTO_IP, 2, options.ttl);
    else set("IPV6_UNICAST_HOPS", IPPROTO_IPV6, 16, options.ttl);
  }
  if (options.minTtl !== undefined) {
    if (v4) set("IP_MINTTL", IPPROTO_IP, 21, options.minTtl);
    else set("IPV6_MINHOPCOUNT", IPPROTO_IPV6, 73, options.minTtl);
  }
  if (options.userTimeoutMillis !== undefined) set("TCP_USER_TIMEOUT", IPPROTO_TCP, 18, options.userTimeoutMillis);
  if (options.interfaceName !== undefined) {
    const name = new TextEncoder().encode(options.interfaceName);
    // The kernel cuts a longer name and would bind to another device.
    if (name.length > INTERFACE_NAME_MAX_LENGTH) throw new RangeError(`no interface name: ${options.interfaceName}`);
    setSocketOption(fd, `SO_BINDTODEVICE ${options.interfaceName}`, SOL_SOCKET, 25, name);
  }
}

/**
 * Sets the TCP-MD5 key (RFC 2385) for segments from and to `peer`; may be called again on a listening socket.
 *
 * @throws RangeError when the key is empty or longer than 80 octets
 */
export function setMd5Key(fd: number, peer: IpAddress, password: string): void {
  const key = new TextEncoder().encode(password);
  if (key.length === 0 || key.length > MD5_KEY_MAX_LENGTH) {
    throw new RangeError(`a TCP MD5 key has 1 to ${MD5_KEY_MAX_LENGTH} octets, not ${key.length}`);
  }
  // struct tcp_md5sig: sockaddr_storage at 0, key length at 130, key at 136.
  const signature = new Uint8Array(216);
  signature.set(sockaddr(peer), 0);
  new DataView(signature.buffer).setUint16(130, key.length, true);
  signature.set(key, 136);
  setSocketOption(fd, "TCP_MD5SIG", IPPROTO_TCP, 14, signature);
}

/** sockaddr_in or sockaddr_in6 with port and scope 0. */
export function sockaddr(address: IpAddress): Uint8Array {
  const v4 = isIpv4(address);
  const bytes = new Uint8Array(v4 ? 16 : 28);
  new DataView(bytes.buffer).setUint16(0, v4 ? 2 : 10, true);
  bytes.set(ipToBytes(address), v4 ? 4 : 8);
  return bytes;
}
