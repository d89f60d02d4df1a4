import { describe, expect, it } from "vitest";
import { ip } from "../../addr/ip.ts";
import { parsePrefix } from "../../addr/prefix.ts";
import { summarizeOpen } from "./describe-open.ts";
import { writeMrt } from "./mrt.ts";
import { agreementOf, connectionsOf } from "./peer-detail.ts";
import { readRecording, writeRecording } from "./recording.ts";
import { replay } from "./replay.ts";
import { rack } from "./test-support.ts";

const VIP = parsePrefix("10.40.0.10/32")!;
const SECRET = "correct horse battery";

/** Two speakers with a session and a route, and what they were asked for. */
function session(options: Parameters<typeof rack>[0] = {}) {
  const two = rack(options);
  two.up();
  two.a.setRoutes(new Map([[VIP, {}]]));
  two.time.advance(100);
  return { ...two, recorder: two.a.recorder("b")!, status: () => two.a.peers()[0]! };
}

describe("what an operator can ask of a session", () => {
  it("has everything that was said, and replays", async () => {
    const { recorder, a, time } = session();
    await time.settle(a.stop("done"));
    const text = writeRecording(recorder.snapshot());
    const recording = readRecording(text);
    expect(replay(recording).difference).toBeNull();
    const types = recording.entries.flatMap((entry) =>
      entry.type === "sent" || entry.type === "received" ? [`${entry.type} ${entry.octets[18]}`] : [],
    );
    for (const one of ["sent 1", "received 1", "sent 4", "received 4", "sent 2", "sent 3"])
      expect(types).toContain(one);
  });

  it.each([1, 2, 3, 4, 5])("replays collisions, too (seed %i)", (seed) => {
    const { recorder } = session({ seed });
    expect(replay(readRecording(writeRecording(recorder.snapshot()))).difference).toBeNull();
  });

  it("never has a password in it (BGP-SEC-01)", () => {
    const two = rack({ a: { md5Password: SECRET } });
    two.start();
    two.time.advance(20_000);
    const recorder = two.a.recorder("b")!;
    const status = two.a.peers();
    expect(recorder.snapshot().entries.length).toBeGreaterThan(3);
    const mrt = Buffer.from(writeMrt(recorder.snapshot()));
    const json = JSON.stringify(status, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
    const hex = Buffer.from(SECRET).toString("hex");
    for (const text of [writeRecording(recorder.snapshot()), mrt.toString("latin1"), json]) {
      expect(text).not.toContain(SECRET);
      expect(text).not.toContain(hex);
    }
  });

  it("tells the last NOTIFICATION of each side with its text, time and count (BGP-4271-4.5-02)", async () => {
    const { b, time, status } = session();
    await time.settle(b.stop("planned work"));
    const { received } = status().notifications;
    expect(received).toMatchObject({ code: 6, subcode: 2, count: 1 });
    expect(received!.message).toContain("planned work");
    expect(received!.at).toBeInstanceOf(Date);
  });

  it("tells that without an import policy nothing of the peer is used (BGP-8212-3-01)", () => {
    const { b, time, status } = session({ a: { importPolicy: undefined } as never });
    b.setRoutes(new Map([[parsePrefix("192.0.2.1/32")!, {}]]));
    time.runUntil(() => status().prefixesReceived > 0);
    expect(status()).toMatchObject({ importPolicy: null, prefixesUnusable: { count: 1 } });
  });

  it("shows both OPENs in words", () => {
    const { recorder, status } = session();
    const sent = summarizeOpen(recorder.messages.sent.lastOpen!);
    expect(sent).toMatchObject({ asn: 65_001, identifier: "10.0.0.1", holdTimeSeconds: 9 });
    expect(sent.capabilities).toContain("multiprotocol ipv4-unicast");
    expect(sent.capabilities).toContain("four-octet-as 65001");
    const foreign = { octets: recorder.messages.sent.lastOpen!.octets.with(19, 3), time: new Date(0) };
    expect(summarizeOpen(foreign)).toMatchObject({ asn: null, capabilities: [] });
    expect(agreementOf(status().negotiated!)).toContain("four-octet AS numbers");
  });

  it("names the running timers of each connection", () => {
    const { recorder, time } = session();
    const [first] = connectionsOf(recorder.peering, time.now());
    expect(first).toMatchObject({ state: "established", failures: 0 });
    expect(first!.timers.map(({ name }) => name)).toEqual(["HoldTimer", "KeepaliveTimer", "SendHoldTimer"]);
    for (const { millis } of first!.timers) expect(millis).toBeGreaterThan(0);
  });

  it("knows what is wrong once an attempt has failed, and nothing once the session is up", () => {
    const two = rack({ asns: [65_001, 65_002], a: { asn: 65_009 as never } });
    two.start();
    two.time.runUntil(() => [two.a, two.b].every((one) => one.peers()[0]!.diagnosis !== null));
    expect(two.a.peers()[0]!.diagnosis).toMatchObject({ cause: "wrong-as" });
    expect(two.b.peers()[0]!.diagnosis?.fix).toContain("65002");
    expect(session().status().diagnosis).toBeNull();
  });

  it("has the addresses of both ends in MRT", () => {
    const { recorder } = session();
    const file = Buffer.from(writeMrt(recorder.snapshot()));
    expect(file.includes(Buffer.from([10, 0, 0, 2, 10, 0, 0, 1]))).toBe(true);
    expect(recorder.peer.address).toBe(ip("10.0.0.2"));
  });
});
