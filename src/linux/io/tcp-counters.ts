import { readFileSync } from "node:fs";
import type { TcpCounters } from "../../ports/tcp-counters.ts";

const FILE = "/proc/net/netstat";

/** The counters of this network namespace; null when the kernel does not tell, or not in the form that is known. */
export function readTcpCounters(): TcpCounters | null {
  try {
    return parseTcpCounters(readFileSync(FILE, "utf8"));
  } catch {
    return null; // a diagnosis has less to go by then, nothing else
  }
}

/** The file has pairs of lines with the same first word: names, then values. */
export function parseTcpCounters(text: string): TcpCounters | null {
  const [names, values] = text
    .split("\n")
    .filter((line) => line.startsWith("TcpExt: "))
    .map((line) => line.split(" "));
  if (names === undefined || values === undefined) return null;
  const value = (name: string): number => Number(values[names.indexOf(name)] ?? 0);
  return {
    md5NotFound: value("TCPMD5NotFound"),
    md5Unexpected: value("TCPMD5Unexpected"),
    md5Failure: value("TCPMD5Failure"),
    minTtlDrop: value("TCPMinTTLDrop"),
  };
}
