import net from "node:net";
import { describe, expect, it } from "vitest";
import { Recorder } from "../../../test/support/stream-recorder.ts";
import { until } from "../../../test/support/until.ts";
import { ip } from "../../addr/ip.ts";
import type { DialOptions, ListenOptions } from "../../ports/stream.ts";
import type { TcpCounters } from "../../ports/tcp-counters.ts";
import { tcpDialer, tcpListener } from "./tcp.ts";
import { parseTcpCounters, readTcpCounters } from "./tcp-counters.ts";

describe("the kernel's TCP counters", () => {
  it("are read by name, wherever the kernel puts them", () => {
    const text = "TcpExt: SyncookiesSent TCPMD5Failure TCPMinTTLDrop\nTcpExt: 7 2 3\nIpExt: A\nIpExt: 9\n";
    expect(parseTcpCounters(text)).toEqual({ md5NotFound: 0, md5Unexpected: 0, md5Failure: 2, minTtlDrop: 3 });
  });

  it("are unknown where the file has another form", () => {
    expect(parseTcpCounters("")).toBeNull();
    expect(parseTcpCounters("TcpExt: A B\n")).toBeNull();
  });

  /** What the kernel tells of an attempt to connect, one end of which is not as the other. */
  const CASES: readonly (readonly [string, keyof TcpCounters, Partial<DialOptions>, Partial<ListenOptions>])[] = [
    ["a SYN that is signed with another key", "md5Failure", { md5Password: "a" }, { md5Keys: keyOf("b") }],
    ["a SYN that is not signed, where one must be", "md5NotFound", {}, { md5Keys: keyOf("b") }],
    ["a SYN that is signed, where no key is set", "md5Unexpected", { md5Password: "a" }, {}],
    ["a SYN with a TTL that is too low (BGP-5082-3-01)", "minTtlDrop", { ttl: 1 }, { minTtl: 255 }],
  ];
  it.each(CASES)("count %s", async (_name, counter, dial, listen) => {
    using bound = new net.BoundSocket({ host: "127.0.0.1", port: 0 });
    const local = { address: ip("127.0.0.1"), port: bound.address().port };
    bound[Symbol.dispose]();
    const server = await tcpListener.listen({ local, ...listen }, () => new Recorder());
    const before = readTcpCounters()![counter];
    const giveUp = tcpDialer.dial({ remote: local, ...dial }, new Recorder());
    await until("the kernel has dropped it", () => readTcpCounters()![counter] > before);
    giveUp();
    server.close();
  });
});

function keyOf(password: string): NonNullable<ListenOptions["md5Keys"]> {
  return [{ remote: ip("127.0.0.1"), password }];
}
