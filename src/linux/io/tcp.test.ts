import { readdirSync } from "node:fs";
import net from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Namespaces } from "../../../test/support/namespaces.ts";
import { needsRoot } from "../../../test/support/privileges.ts";
import { Recorder } from "../../../test/support/stream-recorder.ts";
import { until } from "../../../test/support/until.ts";
import { ip } from "../../addr/ip.ts";
import type { DialOptions, ListenOptions } from "../../ports/stream.ts";
import { AF_PACKET, closeSocket, openSocket, receiveDatagram, SOCK_RAW } from "./ffi.ts";
import { tcpDialer, tcpListener } from "./tcp.ts";

const freePort = (host: string): number => {
  using bound = new net.BoundSocket({ host, port: 0 });
  return bound.address().port;
};
const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

/** A listener and one dialled stream, both recorded. */
async function pair(host: string, dial: Partial<DialOptions> = {}) {
  const local = { address: ip(host), port: freePort(host) };
  const accepted = new Recorder();
  const dialled = new Recorder();
  const server = await tcpListener.listen({ local }, () => accepted);
  const giveUp = tcpDialer.dial({ remote: local, ...dial }, dialled);
  await until("both ends open", () => accepted.stream !== null && dialled.stream !== null);
  return { accepted, dialled, giveUp, local, server };
}

describe("a TCP stream on loopback", () => {
  for (const host of ["127.0.0.1", "::1"]) {
    it(`carries bytes both ways and knows its endpoints (${host})`, async () => {
      const { accepted, dialled, local, server } = await pair(host);
      dialled.stream!.write(Buffer.from("ping"));
      await until("ping", () => accepted.text === "ping");
      accepted.stream!.write(Buffer.from("pong"));
      await until("pong", () => dialled.text === "pong");
      expect(dialled.stream!.remote).toEqual(local);
      expect(accepted.stream!.local).toEqual(local);
      expect(accepted.stream!.remote).toEqual(dialled.stream!.local);
      dialled.stream!.close();
      await until("both gone", () => accepted.ends.length === 1 && dialled.ends.length === 1);
      expect(accepted.ends).toEqual([{ kind: "closed-by-peer" }]);
      expect(dialled.ends).toEqual([{ kind: "closed-by-us" }]);
      expect(accepted.callsAfterEnd + dialled.callsAfterEnd).toBe(0);
      server.close();
    });
  }

  it("hands out octets whose slices are copies: who keeps a few keeps no whole piece of the stream", async () => {
    const { accepted, dialled, server } = await pair("127.0.0.1");
    dialled.stream!.write(Buffer.from("one message of many"));
    await until("octets", () => accepted.length > 0);
    const [chunk] = accepted.chunks;
    expect(chunk!.slice(0, 3).buffer).not.toBe(chunk!.buffer);
    dialled.stream!.destroy();
    server.close();
  });

  it("flushes what was written before close()", async () => {
    const { accepted, dialled, server } = await pair("127.0.0.1");
    const large = Buffer.alloc(4_000_000, "x");
    dialled.stream!.write(large);
    dialled.stream!.write(Buffer.from("last words"));
    expect(dialled.stream!.queuedBytes).toBeGreaterThan(0);
    dialled.stream!.close();
    dialled.stream!.write(Buffer.from("too late"));
    await until("the end", () => accepted.ends.length === 1);
    expect(accepted.length).toBe(large.length + 10);
    expect(accepted.text.endsWith("last words")).toBe(true);
    server.close();
  });

  it("says when a filled send buffer has emptied, and counts what waits in it", async () => {
    const { accepted, dialled, server } = await pair("127.0.0.1");
    dialled.stream!.write(Buffer.alloc(8_000_000));
    expect(dialled.stream!.queuedBytes).toBe(8_000_000);
    await until("drained", () => dialled.drains > 0);
    expect(dialled.stream!.queuedBytes).toBe(0);
    await until("all there", () => accepted.length === 8_000_000);
    dialled.stream!.destroy();
    server.close();
  });

  it("is gone within a second of close() although the peer neither reads nor closes", async () => {
    const port = freePort("127.0.0.1");
    const silent: net.Socket[] = [];
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
      silent.push(socket.on("error", () => {}));
    });
    server.listen(port, "127.0.0.1");
    await until("listening", () => server.listening);
    const dialled = new Recorder();
    tcpDialer.dial({ remote: { address: ip("127.0.0.1"), port } }, dialled);
    await until("open", () => dialled.stream !== null && silent.length === 1);
    dialled.stream!.write(Buffer.alloc(20_000_000));
    const before = performance.now();
    dialled.stream!.close();
    await until("gone", () => dialled.ends.length === 1, 1500);
    expect(performance.now() - before).toBeGreaterThan(500);
    expect(dialled.ends).toEqual([{ kind: "closed-by-us" }]);
    silent[0]!.destroy();
    server.close();
  });

  it("resets the connection on destroy()", async () => {
    const { accepted, dialled, server } = await pair("127.0.0.1");
    dialled.stream!.destroy();
    await until("both gone", () => accepted.ends.length === 1 && dialled.ends.length === 1);
    expect(accepted.ends).toEqual([{ kind: "reset" }]);
    expect(dialled.ends).toEqual([{ kind: "closed-by-us" }]);
    server.close();
  });

  it("closes at once what the listener does not want", async () => {
    const local = { address: ip("127.0.0.1"), port: freePort("127.0.0.1") };
    const server = await tcpListener.listen({ local }, () => null);
    const dialled = new Recorder();
    tcpDialer.dial({ remote: local }, dialled);
    await until("gone", () => dialled.ends.length === 1);
    expect(dialled.ends).toEqual([{ kind: "closed-by-peer" }]);
    server.close();
  });

  it("is refused where nobody listens, and the listener refuses a taken port", async () => {
    const local = { address: ip("127.0.0.1"), port: freePort("127.0.0.1") };
    const dialled = new Recorder();
    tcpDialer.dial({ remote: local }, dialled);
    await until("end", () => dialled.ends.length === 1);
    expect(dialled.ends).toEqual([{ kind: "refused" }]);
    const server = await tcpListener.listen({ local }, () => null);
    await expect(tcpListener.listen({ local }, () => null)).rejects.toThrow(/EADDRINUSE/);
    server.close();
  });

  it("is listened for on the one address that was asked for, and by each family for itself", async () => {
    const port = freePort("127.0.0.1");
    const listen = (address: string) => tcpListener.listen({ local: { address: ip(address), port } }, () => null);
    const one = await listen("127.0.0.1");
    const elsewhere = new Recorder();
    tcpDialer.dial({ remote: { address: ip("127.0.0.2"), port } }, elsewhere);
    await until("end", () => elsewhere.ends.length === 1);
    expect(elsewhere.ends).toEqual([{ kind: "refused" }]);
    one.close();
    const both = [await listen("0.0.0.0"), await listen("::")];
    for (const server of both) server.close();
  });

  it("is not listened for when an option is refused, and the port is free again", async () => {
    const local = { address: ip("127.0.0.1"), port: freePort("127.0.0.1") };
    const md5Keys = [{ remote: ip("127.0.0.1"), password: "" }];
    const before = openDescriptors();
    await expect(tcpListener.listen({ local, md5Keys }, () => null)).rejects.toThrow(/1 to 80 octets/);
    await until("descriptor closed", () => openDescriptors() === before);
    (await tcpListener.listen({ local }, () => null)).close();
  });

  it("says nothing more once it was given up: before the answer, before a failure is told, and when open", async () => {
    const local = { address: ip("127.0.0.1"), port: freePort("127.0.0.1") };
    const [early, failing] = [new Recorder(), new Recorder()];
    tcpDialer.dial({ remote: local }, early)();
    tcpDialer.dial({ remote: local, localAddress: ip("203.0.113.1") }, failing)();
    const { accepted, dialled, giveUp, server } = await pair("127.0.0.1");
    giveUp();
    await until("the other end saw it", () => accepted.ends.length === 1);
    expect(accepted.ends).toEqual([{ kind: "reset" }]);
    expect([...early.ends, ...failing.ends, ...dialled.ends]).toEqual([]);
    expect(early.stream).toBeNull();
    server.close();
  });

  it("names a source address that this machine does not have, after dial() has returned", async () => {
    const dialled = new Recorder();
    const remote = { address: ip("127.0.0.1"), port: 1 };
    tcpDialer.dial({ remote, localAddress: ip("203.0.113.1") }, dialled);
    expect(dialled.ends).toEqual([]);
    await until("end", () => dialled.ends.length === 1);
    expect(dialled.ends).toEqual([
      { kind: "failed", message: "no interface of this machine has the source address 203.0.113.1" },
    ]);
  });

  it("dials from the source address it was given", async () => {
    const { accepted, dialled, server } = await pair("127.0.0.1", { localAddress: ip("127.0.0.9") });
    expect(accepted.stream!.remote.address).toBe("127.0.0.9");
    expect(dialled.stream!.local.address).toBe("127.0.0.9");
    dialled.stream!.destroy();
    server.close();
  });

  it("refuses a key that TCP MD5 cannot hold", async () => {
    for (const md5Password of ["", "k".repeat(81)]) {
      const dialled = new Recorder();
      tcpDialer.dial({ remote: { address: ip("127.0.0.1"), port: 1 }, md5Password }, dialled);
      await until("end", () => dialled.ends.length === 1);
      expect(dialled.ends[0]).toMatchObject({ kind: "failed", message: expect.stringMatching(/1 to 80 octets/) });
    }
  });

  it("leaks no descriptor in 50 connections, refusals and failures", async () => {
    const local = { address: ip("127.0.0.1"), port: freePort("127.0.0.1") };
    const server = await tcpListener.listen({ local }, () => new Recorder());
    const round = async (): Promise<void> => {
      const recorders = [new Recorder(), new Recorder(), new Recorder()];
      tcpDialer.dial({ remote: local }, recorders[0]!);
      tcpDialer.dial({ remote: { ...local, port: 1 } }, recorders[1]!);
      tcpDialer.dial({ remote: local, md5Password: "k".repeat(81) }, recorders[2]!);
      await until("open", () => recorders[0]!.stream !== null);
      recorders[0]!.stream!.close();
      await until("all ended", () => recorders.every((recorder) => recorder.ends.length === 1));
    };
    await round();
    const before = openDescriptors();
    for (let i = 0; i < 50; i++) await round();
    await until("descriptors closed", () => openDescriptors() <= before);
    server.close();
  });
});

describe.runIf(!needsRoot)("a TCP stream between two namespaces", () => {
  let lan: Namespaces;
  beforeAll(() => {
    lan = new Namespaces("a", "b");
    lan.connect("a", "b", "e0");
    for (const [name, host] of [
      ["a", 1],
      ["b", 2],
    ] as const) {
      lan.ip(name, `addr add 10.0.0.${host}/24 dev e0`);
      lan.ip(name, `addr add fd00::${host}/64 dev e0 nodad`);
      lan.ip(name, `addr add fe80::${host}/64 dev e0 nodad`);
    }
  });
  afterAll(() => lan.remove());

  let port = 1000;
  /** Listens in b, dials from a; true when the connection came up, false when it timed out. */
  async function connects(v6: boolean, listen: Partial<ListenOptions>, dial: Partial<DialOptions>): Promise<boolean> {
    const local = { address: ip(v6 ? "fd00::2" : "10.0.0.2"), port: port++ };
    const accepted = new Recorder();
    const dialled = new Recorder();
    const server = await lan.in("b", () => tcpListener.listen({ local, ...listen }, () => accepted));
    lan.in("a", () => tcpDialer.dial({ remote: local, userTimeoutMillis: 700, ...dial }, dialled));
    try {
      await until("an outcome", () => dialled.ends.length > 0 || dialled.stream !== null);
      if (dialled.stream === null) {
        if (dialled.ends[0]?.kind === "timed-out") return false;
        throw new Error(`ended otherwise: ${JSON.stringify(dialled.ends)}`);
      }
      dialled.stream.write(Buffer.from("hello"));
      await until("hello", () => accepted.text === "hello");
      return true;
    } finally {
      dialled.stream?.destroy();
      accepted.stream?.destroy();
      server.close();
    }
  }

  for (const v6 of [false, true]) {
    const family = v6 ? "IPv6" : "IPv4";
    it(`comes up only with the same MD5 key at both ends (${family}) (BGP-2385-2-01)`, async () => {
      const md5Keys = [{ remote: ip(v6 ? "fd00::1" : "10.0.0.1"), password: "s3cret" }];
      const outcomes = await Promise.all([
        connects(v6, { md5Keys }, { md5Password: "s3cret" }),
        connects(v6, { md5Keys }, { md5Password: "S3cret" }),
        connects(v6, { md5Keys }, {}),
        connects(v6, {}, { md5Password: "s3cret" }),
      ]);
      expect(outcomes).toEqual([true, false, false, false]);
    });

    it(`is dropped below the minimum TTL of either end (${family}) (BGP-5082-3-01)`, async () => {
      const outcomes = await Promise.all([
        connects(v6, { minTtl: 255, ttl: 255 }, { ttl: 255, minTtl: 255 }),
        connects(v6, { minTtl: 255, ttl: 255 }, { ttl: 254 }),
        connects(v6, { ttl: 254 }, { minTtl: 255 }),
        connects(v6, { ttl: 254 }, { minTtl: 254 }),
      ]);
      expect(outcomes).toEqual([true, false, false, true]);
    });
  }

  it("reaches a link-local peer through the interface it was given", async () => {
    const remote = { address: ip("fe80::2"), port: 179 };
    const accepted = new Recorder();
    const dialled = new Recorder();
    const server = await lan.in("b", () => tcpListener.listen({ local: remote, interfaceName: "e0" }, () => accepted));
    lan.in("a", () =>
      tcpDialer.dial({ remote, localAddress: ip("fe80::1"), interfaceName: "e0", md5Password: "k" }, new Recorder()),
    )();
    lan.in("a", () => tcpDialer.dial({ remote, localAddress: ip("fe80::1"), interfaceName: "e0" }, dialled));
    await until("open", () => dialled.stream !== null && accepted.stream !== null);
    expect(dialled.stream!.remote).toEqual({ ...remote, interfaceName: "e0" });
    expect(accepted.stream!.remote).toMatchObject({ address: "fe80::1", interfaceName: "e0" });
    dialled.stream!.destroy();
    server.close();
  });

  it("leaves by the bound device only, and says so when there is no such device", async () => {
    const remote = { address: ip("10.0.0.2"), port: 179 };
    const [lost, missing, cut] = [new Recorder(), new Recorder(), new Recorder()];
    // The kernel would take the first 15 octets of this for the name.
    lan.ip("a", "link add fifteen-octets0 type veth peer name fifteen-octets1");
    lan.in("a", () => tcpDialer.dial({ remote, interfaceName: "fifteen-octets0x" }, cut));
    lan.in("a", () => tcpDialer.dial({ remote, interfaceName: "lo", userTimeoutMillis: 500 }, lost));
    lan.in("a", () => tcpDialer.dial({ remote, interfaceName: "nosuch0" }, missing));
    await until("ends", () => lost.ends.length + missing.ends.length + cut.ends.length === 3);
    expect(lost.ends[0]!.kind).not.toBe("refused");
    expect(missing.ends[0]).toMatchObject({ kind: "failed", message: expect.stringMatching(/nosuch0.*ENODEV/) });
    expect(cut.ends[0]).toMatchObject({ kind: "failed", message: expect.stringMatching(/fifteen-octets0x/) });
  });

  it("sends everything with class selector 6, or with what it is told, from either end (BGP-4271-E-01)", async () => {
    for (const [v6, options, expected] of [
      [false, {}, 0xc0],
      [true, {}, 0xc0],
      [false, { trafficClass: 0x28 }, 0x28],
      [true, { trafficClass: 0x28 }, 0x28],
    ] as const) {
      const local = { address: ip(v6 ? "fd00::2" : "10.0.0.2"), port: 179 };
      const everything = 0x0300; // ETH_P_ALL in network order
      const capture = lan.in("b", () => openSocket(AF_PACKET, SOCK_RAW, everything, true));
      const [accepted, dialled] = [new Recorder(), new Recorder()];
      const server = await lan.in("b", () => tcpListener.listen({ local, ...options }, () => accepted));
      lan.in("a", () => tcpDialer.dial({ remote: local, ...options }, dialled));
      await until("open", () => dialled.stream !== null && accepted.stream !== null);
      accepted.stream!.write(Buffer.from("hello"));
      await until("hello", () => dialled.text === "hello");
      const classes: number[] = [];
      const buffer = new Uint8Array(2048);
      for (let f = receiveDatagram(capture, buffer, false); f; f = receiveDatagram(capture, buffer, false)) {
        const [type, first, second, protocol] = [(f[12]! << 8) | f[13]!, f[14]!, f[15]!, f[v6 ? 20 : 23]];
        if (protocol !== 6 || type !== (v6 ? 0x86dd : 0x0800)) continue;
        classes.push(v6 ? ((first & 15) << 4) | (second >> 4) : second);
      }
      closeSocket(capture);
      dialled.stream!.destroy();
      server.close();
      expect(classes.length).toBeGreaterThan(3);
      // The SYN-ACK of IPv6 carries the class of the listening socket as well.
      expect(new Set(classes)).toEqual(new Set([expected]));
    }
  });
});
