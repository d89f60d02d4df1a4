import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { ipFromBytes, type IpAddress } from "../../addr/ip.ts";
import type { ForeignSocket, SocketEnd } from "../../ports/tcp-table.ts";

/** proc_pid_net(5): the states that matter here, as the kernel numbers them. */
const STATES: Readonly<Record<string, ForeignSocket["state"]>> = {
  "01": "connected",
  "02": "connecting",
  "0A": "listening",
};

interface Row extends Omit<ForeignSocket, "owner"> {
  readonly inode: string;
}

/** Sockets of other processes in this network namespace that have one of the ports at either end. */
export function readForeignSockets(ports: ReadonlySet<number>): readonly ForeignSocket[] {
  const rows = ["/proc/net/tcp", "/proc/net/tcp6"]
    .flatMap((file) => parseTcpTable(textOf(file)))
    .filter(({ local, remote }) => ports.has(local.port) || ports.has(remote.port));
  if (rows.length === 0) return [];
  const inodes = new Set(inodesOf("self"));
  // The other end of a connection of ours may be on this node, too.
  const answered = new Set(rows.filter(({ inode }) => inodes.has(inode)).map((row) => endsOf(row.remote, row.local)));
  return rows
    .filter(({ inode, local, remote }) => !inodes.has(inode) && !answered.has(endsOf(local, remote)))
    .map(({ inode, ...socket }) => ({ ...socket, owner: () => ownerOf(inode) }));
}

const endsOf = (one: SocketEnd, other: SocketEnd): string =>
  `${one.address} ${one.port} ${other.address} ${other.port}`;

/** Rows of the states that matter; what has another form is left out. */
export function parseTcpTable(text: string): readonly Row[] {
  return text.split("\n").flatMap((line) => {
    const [, local, remote, code = "", , , , , , inode] = line.trim().split(/\s+/);
    const state = STATES[code];
    const ends = [endFrom(local), endFrom(remote)];
    // No process has it: it waits to be accepted, or whose it was has ended.
    if (state === undefined || inode === undefined || inode === "0" || ends[0] === null || ends[1] === null) return [];
    return [{ state, local: ends[0]!, remote: ends[1]!, inode }];
  });
}

/** "0100007F:00B3": 32-bit words in the machine's order, which is little-endian where Node runs. */
function endFrom(text = ""): SocketEnd | null {
  const match = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(text);
  if (!match) return null;
  const words = match[1]!.match(/.{8}/g)!;
  const octets = Buffer.concat(words.map((word) => Buffer.from(word, "hex").toReversed()));
  return { address: withoutMapping(octets), port: Number.parseInt(match[2]!, 16) };
}

/** An IPv4 connection of an IPv6 socket has ::ffff:a.b.c.d at its ends. */
function withoutMapping(octets: Buffer): IpAddress {
  const isMapped = octets.length === 16 && octets.subarray(0, 12).equals(MAPPED);
  return ipFromBytes(isMapped ? octets.subarray(12) : octets);
}
const MAPPED = Buffer.from("00000000000000000000ffff", "hex");

/** The last that was looked for: a socket keeps its inode, and nearly always its owner. */
let found: { readonly inode: string; readonly owner: string } | null = null;

/** Only processes of the same PID namespace can be seen, and only with the right to look at them. */
function ownerOf(inode: string): string {
  if (found?.inode === inode) return found.owner;
  const pid = names("/proc").find((name) => /^\d+$/.test(name) && inodesOf(name).includes(inode));
  const owner =
    pid === undefined
      ? "a process that cannot be seen from here"
      : `${textOf(`/proc/${pid}/comm`).trim() || "a process"} (pid ${pid})`;
  found = { inode, owner };
  return owner;
}

function inodesOf(pid: string): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return names(folder).flatMap((name) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${name}`))?.[1] ?? [];
    } catch {
      return []; // closed meanwhile
    }
  });
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // ended meanwhile, or not ours to see
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
