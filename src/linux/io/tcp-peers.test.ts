import { execFile, execFileSync } from "node:child_process";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Namespaces } from "../../../test/support/namespaces.ts";
import { needsRoot } from "../../../test/support/privileges.ts";
import { Recorder } from "../../../test/support/stream-recorder.ts";
import { until } from "../../../test/support/until.ts";
import { ip } from "../../addr/ip.ts";
import { parsePrefix } from "../../addr/prefix.ts";
import type { ByteStream, DialOptions, Listening, ListenOptions } from "../../ports/stream.ts";
import { tcpDialer, tcpListener } from "./tcp.ts";

/** What a speaker does to its sockets while peers come and go: on the kernel's own TCP. */
describe.runIf(!needsRoot)("a listener's peers", () => {
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
    lan.ip("a", "addr add 10.0.0.101/24 dev e0");
    lan.ip("a", "addr add fd00::101/64 dev e0 nodad");
  });
  afterAll(() => lan.remove());

  let port = 2000;
  const servers: Listening[] = [];
  const accepted: Recorder[] = [];
  const listen = async (
    address: string,
    options: Partial<ListenOptions> = {},
    prepare: (stream: ByteStream) => void = () => {},
  ): Promise<Listening> => {
    const local = { address: ip(address), port: ++port };
    const server = await lan.in("b", () =>
      tcpListener.listen({ local, ...options }, (stream) => {
        prepare(stream);
        const recorder = new Recorder();
        accepted.push(recorder);
        return recorder;
      }),
    );
    servers.push(server);
    return server;
  };
  const dial = (address: string, options: Partial<DialOptions> = {}): Recorder => {
    const recorder = new Recorder();
    const remote = { address: ip(address), port };
    const localAddress = ip(address.includes(":") ? "fd00::1" : "10.0.0.1");
    lan.in("a", () => tcpDialer.dial({ remote, localAddress, userTimeoutMillis: 600, ...options }, recorder));
    return recorder;
  };
  const outcome = async (dialled: Recorder): Promise<string> => {
    await until("an outcome", () => dialled.ends.length > 0 || dialled.stream !== null);
    return dialled.stream === null ? dialled.ends[0]!.kind : "open";
  };
  const hears = async (dialled: Recorder, words: string): Promise<void> => {
    dialled.stream!.write(Buffer.from(words));
    await until(words, () => accepted.some((one) => one.text.includes(words)));
  };
  afterAll(() => {
    for (const one of accepted) one.stream?.destroy();
    for (const server of servers) server.close();
  });

  for (const [family, there, here, other] of [
    ["IPv4", "10.0.0.2", "10.0.0.1", "10.0.0.101"],
    ["IPv6", "fd00::2", "fd00::1", "fd00::101"],
  ] as const) {
    it(`get, change and lose their keys while it listens, and no connection is lost by that (${family}) (BGP-2385-2-01, BGP-2385-2-02)`, async () => {
      const server = await listen(there, { md5Keys: [{ remote: ip(here), password: "first" }] });
      const old = dial(there, { md5Password: "first" });
      const unsigned = dial(there, { localAddress: ip(other) });
      expect(await Promise.all([old, unsigned].map(outcome))).toEqual(["open", "open"]);
      server.setMd5Keys([
        { remote: ip(here), password: "second" },
        { remote: ip(other), password: "third" },
      ]);
      const [stale, fresh, another, bare] = [
        dial(there, { md5Password: "first" }),
        dial(there, { md5Password: "second" }),
        dial(there, { localAddress: ip(other), md5Password: "third" }),
        dial(there, { localAddress: ip(other) }),
      ];
      expect(await Promise.all([stale, fresh, another, bare].map(outcome))).toEqual([
        "timed-out",
        "open",
        "open",
        "timed-out",
      ]);
      await hears(old, `signed with the first key, ${family}`);
      await hears(unsigned, `unsigned, ${family}`);
      server.setMd5Keys([]);
      const [signed, plain] = [dial(there, { md5Password: "second" }), dial(there)];
      expect(await Promise.all([signed, plain].map(outcome))).toEqual(["timed-out", "open"]);
      await hears(fresh, `signed with the second key, ${family}`);
      for (const one of [old, unsigned, fresh, another, plain]) one.stream?.destroy();
    });

    it(`that are a range of addresses share a key, and one of them may have its own (${family}) (BGP-2385-2-01)`, async () => {
      const prefix = parsePrefix(family === "IPv4" ? "10.0.0.96/28" : "fd00::100/120")!;
      const server = await listen(there, { md5Keys: [{ remote: prefix, password: "range" }] });
      const from = (address: string, md5Password?: string): Recorder =>
        dial(there, { localAddress: ip(address), ...(md5Password === undefined ? {} : { md5Password }) });
      const dialled = [from(other, "range"), from(other), from(other, "wrong"), from(here)];
      expect(await Promise.all(dialled.map(outcome))).toEqual(["open", "timed-out", "timed-out", "open"]);
      server.setMd5Keys([
        { remote: prefix, password: "range" },
        { remote: ip(other), password: "own" },
      ]);
      const owned = [from(other, "range"), from(other, "own")];
      expect(await Promise.all(owned.map(outcome))).toEqual(["timed-out", "open"]);
      server.setMd5Keys([]);
      const freed = from(other);
      expect(await outcome(freed)).toBe("open");
      freed.stream?.destroy();
      for (const one of [...dialled, ...owned]) one.stream?.destroy();
    });

    it(`send segments no longer than they are told to (${family})`, async () => {
      await listen(there);
      const dialled = [dial(there), dial(there, { maxSegmentLength: 600 })];
      expect(await Promise.all(dialled.map(outcome))).toEqual(["open", "open"]);
      const table = execFileSync("ip", ["netns", "exec", lan.full("a"), "ss", "-Htin"], { encoding: "utf8" });
      const segment = ({ stream }: Recorder): number =>
        Number(new RegExp(`:${stream!.local.port} [^]*?\\bmss:(\\d+)`).exec(table)![1]);
      expect(segment(dialled[0]!)).toBeGreaterThan(1000);
      expect(segment(dialled[1]!)).toBeLessThanOrEqual(600);
      for (const one of dialled) one.stream?.destroy();
    });

    it(`that were accepted can be held to a least TTL and a key before their first octet counts (${family}) (BGP-5082-3-01)`, async () => {
      await listen(there, { ttl: 255 }, (stream) => stream.setOptions({ minTtl: 255 }));
      const far = dial(there, { ttl: 254 });
      const near = dial(there, { ttl: 255, minTtl: 255 });
      expect(await Promise.all([far, near].map(outcome))).toEqual(["open", "open"]);
      far.stream!.write(Buffer.from("from far away"));
      await hears(near, `from nearby, ${family}`);
      await listen(there, {}, (stream) => stream.setOptions({ md5Password: "key" }));
      const unsigned = dial(there);
      expect(await outcome(unsigned)).toBe("open");
      unsigned.stream!.write(Buffer.from("unsigned words"));
      await until("both given up", () => far.ends.length === 1 && unsigned.ends.length === 1);
      expect([...far.ends, ...unsigned.ends].map(({ kind }) => kind)).toEqual(["timed-out", "timed-out"]);
      expect(accepted.some(({ text }) => /far away|unsigned words/.test(text))).toBe(false);
      near.stream!.destroy();
    });
  }

  it("are all dropped before the handshake once it asks for a TTL, and let in again when it does not", async () => {
    const server = await listen("10.0.0.2");
    server.setOptions({ minTtl: 255, ttl: 255 });
    expect(await outcome(dial("10.0.0.2", { ttl: 254 }))).toBe("timed-out");
    const near = dial("10.0.0.2", { ttl: 255, minTtl: 255 });
    server.setOptions({ minTtl: 0 });
    const far = dial("10.0.0.2", { ttl: 254 });
    expect(await Promise.all([near, far].map(outcome))).toEqual(["open", "open"]);
    for (const one of [near, far]) one.stream!.destroy();
  });

  it("that are strangers are closed with a bounded number of sockets, however many come (ROB-06)", async () => {
    const local = { address: ip("10.0.0.2"), port: ++port };
    servers.push(await lan.in("b", () => tcpListener.listen({ local }, () => null)));
    const strangers = Array.from({ length: 100 }, () => dial("10.0.0.2"));
    await until("all were let go", () => strangers.every(({ ends }) => ends.length === 1));
    const kinds = strangers.map(({ ends }) => ends[0]!.kind);
    expect(kinds.filter((kind) => kind !== "closed-by-peer" && kind !== "reset")).toEqual([]);
  });

  it("with link-local addresses have keys, and are told apart by their interface (UNN-06)", async () => {
    const md5Keys = [{ remote: ip("fe80::1"), interfaceName: "e0", password: "link" }];
    await listen("fe80::2", { interfaceName: "e0", md5Keys });
    const from = { localAddress: ip("fe80::1"), interfaceName: "e0" };
    const dialled = [dial("fe80::2", { ...from, md5Password: "link" }), dial("fe80::2", from)];
    expect(await Promise.all(dialled.map(outcome))).toEqual(["open", "timed-out"]);
    dialled[0]!.stream!.destroy();
  });

  it("with one address on two interfaces keep the key of the one that stays (UNN-06)", async () => {
    const key = (interfaceName: string) => ({ remote: ip("fe80::1"), interfaceName, password: "link" });
    const server = await listen("fe80::2", { interfaceName: "e0", md5Keys: [key("lo"), key("e0")] });
    lan.in("b", () => server.setMd5Keys([key("e0")]));
    const from = { localAddress: ip("fe80::1"), interfaceName: "e0" };
    const dialled = [dial("fe80::2", { ...from, md5Password: "link" }), dial("fe80::2", from)];
    expect(await Promise.all(dialled.map(outcome))).toEqual(["open", "timed-out"]);
    lan.in("b", () => server.setMd5Keys([key("lo"), key("e0")]));
    expect(() => lan.in("b", () => server.setMd5Keys([]))).not.toThrow();
    dialled[0]!.stream!.destroy();
  });

  it("lose the key that one has when it goes, though the kernel refused the one that was to follow", async () => {
    const server = await listen("10.0.0.2", { md5Keys: [{ remote: ip("10.0.0.1"), password: "first" }] });
    const tooLong = { remote: ip("10.0.0.1"), password: "x".repeat(81) };
    expect(() => server.setMd5Keys([tooLong])).toThrow(/1 to 80 octets/);
    server.setMd5Keys([]);
    const unsigned = dial("10.0.0.2");
    expect(await outcome(unsigned)).toBe("open");
    unsigned.stream!.destroy();
  });

  it("with link-local addresses are told apart by their interface where it listens on all of them (UNN-06)", async () => {
    // In a process of its own: Node names interfaces by the namespace of the process.
    const script = `
      const { tcpDialer, tcpListener } = await import(${JSON.stringify(path.resolve("src/linux/io/tcp.ts"))});
      const local = { address: "::", port: 1790 };
      const handler = { onOpen() {}, onData() {}, onDrain() {}, onEnd() {} };
      await tcpListener.listen({ local }, ({ remote }) => {
        console.log(JSON.stringify([remote.address, remote.interfaceName]));
        process.exit(0);
      });
      const remote = { address: "fe80::2", port: 1790 };
      tcpDialer.dial({ remote, interfaceName: "e0", localAddress: "fe80::2" }, handler);`;
    const args = ["netns", "exec", lan.full("b"), process.execPath, "--input-type=module", "-e", script];
    const output = await new Promise<string>((resolve, reject) => {
      execFile("ip", args, { timeout: 10_000 }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
    });
    expect(JSON.parse(output)).toEqual(["fe80::2", "e0"]);
  });

  it("that are not read are slowed down by TCP, and lose nothing", async () => {
    await listen("10.0.0.2", {}, (stream) => stream.pause());
    const dialled = dial("10.0.0.2", { userTimeoutMillis: 20_000 });
    expect(await outcome(dialled)).toBe("open");
    await until("accepted", () => accepted.at(-1)?.stream !== null);
    const there = accepted.at(-1)!;
    dialled.stream!.write(Buffer.alloc(30_000_000));
    await until("the buffers are full", () => dialled.stream!.queuedBytes > 0);
    expect(there.length).toBe(0);
    there.stream!.resume();
    await until("all of it", () => there.length === 30_000_000);
    dialled.stream!.destroy();
  });

  it("hear the last words even while they talk on (BGP-4271-4.5-01)", async () => {
    await listen("10.0.0.2");
    const dialled = dial("10.0.0.2");
    expect(await outcome(dialled)).toBe("open");
    await until("accepted", () => accepted.at(-1)?.stream !== null);
    const there = accepted.at(-1)!;
    for (let count = 0; count < 100; count++) dialled.stream!.write(Buffer.alloc(4096));
    there.stream!.write(Buffer.from("NOTIFICATION"));
    there.stream!.close();
    for (let count = 0; count < 100; count++) dialled.stream!.write(Buffer.alloc(4096));
    await until("the end", () => dialled.ends.length === 1);
    expect(dialled.text).toBe("NOTIFICATION");
    expect(dialled.ends).toEqual([{ kind: "closed-by-peer" }]);
  });
});
