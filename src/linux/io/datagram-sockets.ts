import { type Family, type IpAddress, familyOf, ipFromBytes, isLinkLocal } from "../../addr/ip.ts";
import type { Instant } from "../../base/time.ts";
import type {
  DatagramReceiver,
  DatagramSender,
  ReceivedDatagram,
  ReceiverOptions,
  SenderOptions,
} from "../../ports/datagram.ts";
import {
  attachFilter,
  droppedCount,
  type Instruction,
  interfaceIndexOf,
  type MessageBuffer,
} from "./datagram-calls.ts";
import { AF_INET6, bindSocket, closeSocket, int32, openSocket, sendDatagram, setSocketOption } from "./ffi.ts";
import { sockaddr } from "./socket-options.ts";

/** The sockets of BFD (RFC 5881, 5883): what they are told, and what they tell about a datagram. */
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const IPPROTO_IP = 0;
const IPPROTO_IPV6 = 41;
const TTL_MAX = 255;
const DSCP_CS6 = 0xc0;
/** Some thousand packets: what arrives while this thread is kept from running. The kernel's limit may be lower. */
const RECEIVE_BUFFER_BYTES = 1_048_576;

/** Loads the octet at an offset from the network header. */
const LOAD_FROM_NETWORK_HEADER = 0xfff0_0000;
const RETURN = 6;
const DROP: Instruction = [RETURN, 0, 0, 0];
const TAKE: Instruction = [RETURN, 0, 0, 0xffff];
const ttlFilter = (family: Family): readonly Instruction[] => [
  [0x30, 0, 0, LOAD_FROM_NETWORK_HEADER + (family === 4 ? 8 : 7)],
  [0x15, 0, 1, TTL_MAX],
  TAKE,
  DROP,
];

const open = (family: Family): number => openSocket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0, true);

function prepared(fd: number, prepare: () => void): number {
  try {
    prepare();
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
  return fd;
}

/** Binds to the port on all addresses; each datagram comes with its TTL, destination, interface and time of arrival. */
export function openReceiver({
  family,
  port,
  onlyTtl255,
}: ReceiverOptions): DatagramReceiver & { readonly fd: number } {
  const fd = open(family);
  const set = (what: string, level: number, name: number, value: number): void =>
    setSocketOption(fd, what, level, name, int32(value));
  prepared(fd, () => {
    if (onlyTtl255) attachFilter(fd, ttlFilter(family));
    set("SO_RCVBUF", SOL_SOCKET, 8, RECEIVE_BUFFER_BYTES);
    set("SO_TIMESTAMPNS", SOL_SOCKET, 35, 1);
    if (family === 4) {
      set("IP_PKTINFO", IPPROTO_IP, 8, 1);
      set("IP_RECVTTL", IPPROTO_IP, 12, 1);
    } else {
      set("IPV6_V6ONLY", IPPROTO_IPV6, 26, 1);
      set("IPV6_RECVPKTINFO", IPPROTO_IPV6, 49, 1);
      set("IPV6_RECVHOPLIMIT", IPPROTO_IPV6, 51, 1);
    }
    bindSocket(fd, socketAddress(family, null, port, 0));
  });
  return {
    fd,
    get droppedCount() {
      return droppedCount(fd);
    },
    close: () => closeSocket(fd),
  };
}

/** Not connected: an ICMP error about an earlier packet must not make a later one fail. */
export function openSender({ remote, local, sourcePort, interfaceName }: SenderOptions): DatagramSender {
  const family = familyOf(remote.address);
  const fd = open(family);
  const set = (what: string, level: number, name: number, value: number): void =>
    setSocketOption(fd, what, level, name, int32(value));
  // The scope says which link a link-local address is of.
  const scopeOf = (address: IpAddress | null): number =>
    address !== null && family === 6 && isLinkLocal(address) ? (interfaceIndexOf(interfaceName ?? "") ?? 0) : 0;
  prepared(fd, () => {
    // Nobody answers to this port; what arrives all the same must not fill a queue.
    attachFilter(fd, [DROP]);
    if (family === 4) {
      set("IP_TTL", IPPROTO_IP, 2, TTL_MAX);
      set("IP_TOS", IPPROTO_IP, 1, DSCP_CS6);
    } else {
      set("IPV6_V6ONLY", IPPROTO_IPV6, 26, 1);
      set("IPV6_UNICAST_HOPS", IPPROTO_IPV6, 16, TTL_MAX);
      set("IPV6_TCLASS", IPPROTO_IPV6, 67, DSCP_CS6);
    }
    if (interfaceName !== null)
      setSocketOption(fd, `SO_BINDTODEVICE ${interfaceName}`, SOL_SOCKET, 25, new TextEncoder().encode(interfaceName));
    bindSocket(fd, socketAddress(family, local, sourcePort, scopeOf(local)));
  });
  const destination = socketAddress(family, remote.address, remote.port, scopeOf(remote.address));
  return {
    send: (bytes) => sendDatagram(fd, bytes, destination),
    close: () => closeSocket(fd),
  };
}

function socketAddress(family: Family, address: IpAddress | null, port: number, scope: number): Uint8Array {
  const bytes = address === null ? anyAddress(family) : sockaddr(address);
  const view = new DataView(bytes.buffer);
  view.setUint16(2, port);
  if (family === 6) view.setUint32(24, scope, true);
  return bytes;
}

function anyAddress(family: Family): Uint8Array {
  const bytes = new Uint8Array(family === 4 ? 16 : 28);
  new DataView(bytes.buffer).setUint16(0, family === 4 ? AF_INET : AF_INET6, true);
  return bytes;
}

const SCM_TIMESTAMPNS = 35;
const IP_TTL = 2;
const IP_PKTINFO = 8;
const IPV6_PKTINFO = 50;
const IPV6_HOPLIMIT = 52;

/**
 * The datagram in `buffer`. Addresses become text only when somebody asks: most of a flood is thrown away before.
 *
 * @param arrival  the moment of a kernel timestamp, which is milliseconds of wall time
 */
export function datagramIn(buffer: MessageBuffer, arrival: (stampMillis: number) => Instant): ReceivedDatagram {
  let [ttl, interfaceIndex, stampMillis] = [0, 0, Number.POSITIVE_INFINITY];
  let destination: Uint8Array = new Uint8Array(4);
  for (const { level, type, data } of buffer.control()) {
    if (level === SOL_SOCKET && type === SCM_TIMESTAMPNS && data.byteLength >= 16)
      stampMillis = Number(data.getBigInt64(0, true)) * 1e3 + Number(data.getBigInt64(8, true)) / 1e6;
    else if (level === IPPROTO_IP && type === IP_TTL && data.byteLength >= 4) ttl = data.getInt32(0, true);
    else if (level === IPPROTO_IPV6 && type === IPV6_HOPLIMIT && data.byteLength >= 4) ttl = data.getInt32(0, true);
    else if (level === IPPROTO_IP && type === IP_PKTINFO && data.byteLength >= 12) {
      interfaceIndex = data.getInt32(0, true);
      destination = new Uint8Array(data.buffer, data.byteOffset + 8, 4);
    } else if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO && data.byteLength >= 20) {
      interfaceIndex = data.getInt32(16, true);
      destination = new Uint8Array(data.buffer, data.byteOffset, 16);
    }
  }
  return {
    bytes: buffer.data,
    get source() {
      const name = buffer.name;
      return ipFromBytes(name.length >= 28 ? name.subarray(8, 24) : name.subarray(4, 8));
    },
    get destination() {
      return ipFromBytes(destination);
    },
    interfaceIndex,
    ttl,
    receivedAt: arrival(stampMillis),
  };
}
