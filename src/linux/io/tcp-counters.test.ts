import { describe, expect, it } from "vitest";
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

  it("are there on this kernel", () => {
    expect(readTcpCounters()).toMatchObject({ md5Failure: expect.any(Number), minTtlDrop: expect.any(Number) });
  });
});
