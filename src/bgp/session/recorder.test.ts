import { describe, expect, it } from "vitest";
import { VirtualTime } from "../../../test/support/virtual-time.ts";
import { ip } from "../../addr/ip.ts";
import { NEW_PEERING, type Peering, type PeeringEvent, stepPeering } from "../fsm/peering.ts";
import { OPEN, PEER } from "../fsm/test-support.ts";
import type { FsmPeer } from "../fsm/negotiation.ts";
import { decodeMessage, encodeMessage, type Message } from "../wire/message.ts";
import { EXTERNAL, hexOf } from "../wire/test-support.ts";
import { writeMrt } from "./mrt.ts";
import { Recorder, type RecorderLimits, sharedLimits } from "./recorder.ts";
import { readRecording, writeRecording } from "./recording.ts";
import { replay } from "./replay.ts";

const ADDRESS = ip("10.0.0.2");

/** A recorder, and a state machine whose steps and messages it is told, as a session does. */
function flight(limits?: RecorderLimits, settings: FsmPeer = PEER, address = ADDRESS) {
  const time = new VirtualTime();
  const recorder = new Recorder({ name: "tor-1", address }, settings, time, limits && (() => limits));
  let peering: Peering = NEW_PEERING;
  const step = (event: PeeringEvent, draw = 0.5): void => {
    time.advance(10);
    const result = stepPeering(peering, event, time.now(), settings, draw);
    peering = result.peering;
    recorder.event(event, time.now(), draw, peering);
    for (const action of result.actions) {
      if (action.type !== "perform" || action.action.type !== "send") continue;
      recorder.sent(action.slot, encodeMessage(action.action.message, EXTERNAL));
    }
  };
  const hear = (message: Message): void => {
    const octets = encodeMessage(message, EXTERNAL);
    recorder.received("outgoing", octets);
    const decoded = decodeMessage(octets, EXTERNAL);
    if (decoded.kind === "fault") throw new Error("a message of ours must decode");
    const said = decoded.message;
    if (said.type === "open") onConnection({ type: "received-open", open: said });
    if (said.type === "keepalive") onConnection({ type: "received-keepalive" });
    if (said.type === "update") {
      onConnection({ type: "received-update", decoded: { update: said, faults: decoded.faults } });
    }
  };
  const onConnection = (event: Extract<PeeringEvent, { type: "connection" }>["event"]): void =>
    step({ type: "connection", slot: "outgoing", event });
  return {
    time,
    recorder,
    step,
    hear,
    onConnection,
    up: (): void => {
      step({ type: "start" });
      recorder.connected("outgoing", ip(address.includes(":") ? "2001:db8::1" : "10.0.0.1"), address);
      onConnection({ type: "tcp-connected" });
      hear(OPEN);
      hear({ type: "keepalive" });
    },
  };
}

const KEEPALIVE = { type: "keepalive" } as const;

describe("the flight recorder", () => {
  it("is replayed to the same states", () => {
    const { recorder, up, hear, onConnection } = flight();
    up();
    hear({ type: "update", withdrawn: [], attributes: {}, opaque: [], nlri: [] });
    onConnection({ type: "faulted", fault: { kind: "update.invalid-origin", attribute: Uint8Array.of(1, 2, 3) } });
    const recording = readRecording(writeRecording(recorder.snapshot()));
    expect(replay(recording)).toEqual({ events: 6, difference: null });
  });

  it("tells where a replay differs", () => {
    const { recorder, up } = flight();
    up();
    const text = writeRecording(recorder.snapshot()).replace('"outgoing":"open-confirm"', '"outgoing":"idle"');
    expect(replay(readRecording(text))).toMatchObject({
      events: 3,
      difference: { recorded: ["idle", "idle"], replayed: ["open-confirm", "idle"] },
    });
  });

  it("is bounded in entries, and what is left of it still replays", () => {
    const { recorder, up, hear } = flight({ entries: 10, octets: 1_000_000 });
    up();
    for (let i = 0; i < 100; i++) hear(KEEPALIVE);
    const snapshot = recorder.snapshot();
    expect(snapshot.entries).toHaveLength(10);
    expect(snapshot.dropped).toBeGreaterThan(150);
    expect(replay(readRecording(writeRecording(snapshot))).difference).toBeNull();
  });

  it("is bounded in octets, whatever the peer sends", () => {
    const { recorder } = flight({ entries: 4096, octets: 10_000 });
    for (let i = 0; i < 50; i++) recorder.received("incoming", new Uint8Array(4096));
    const { entries } = recorder.snapshot();
    expect(entries.length).toBeLessThanOrEqual(2);
    recorder.received("incoming", new Uint8Array(65_535));
    expect(recorder.snapshot().entries).toEqual([]);
  });

  it("lets go of what it forgets: ten thousand long messages do not stay in memory", () => {
    const { recorder } = flight({ entries: 4096, octets: 200_000 });
    const kept = new FinalizationRegistry<null>(() => {});
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 10_000; i++) recorder.received("incoming", new Uint8Array(65_535));
    kept.unregister({});
    expect(recorder.snapshot().entries.length).toBeLessThanOrEqual(3);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(500 * 1024 * 1024);
  });

  it("copies messages: the buffer that they came in may be used again", () => {
    const { recorder } = flight();
    const buffer = encodeMessage(KEEPALIVE, EXTERNAL);
    recorder.received("incoming", buffer);
    buffer.fill(0);
    const [entry] = recorder.snapshot().entries;
    expect(entry?.type === "received" && hexOf(entry.octets)).toBe(`${"ff".repeat(16)}001304`);
  });

  it("takes a change of settings into account when it is replayed", () => {
    const { recorder, step } = flight();
    step({ type: "start" });
    const internal = { ...PEER, peerAsn: PEER.localAsn };
    recorder.settings(internal);
    recorder.event({ type: "time-passed" }, PEER.localAsn as never, 0, recorder.snapshot().peering);
    const { entries } = readRecording(writeRecording(recorder.snapshot()));
    expect(entries.find((entry) => entry.type === "settings")).toMatchObject({ settings: internal });
  });

  it("keeps both OPENs and the last NOTIFICATION as they were, when the ring has long lost them (BGP-4271-4.2-06)", () => {
    const { recorder, up, hear, onConnection } = flight({ entries: 4, octets: 100_000 });
    up();
    for (let i = 0; i < 20; i++) hear(KEEPALIVE);
    onConnection({ type: "faulted", fault: { kind: "hold-timer.expired" } });
    const { received, sent } = recorder.messages;
    expect(decodeMessage(received.lastOpen!.octets, EXTERNAL)).toMatchObject({ message: OPEN });
    expect(sent.lastOpen).not.toBeNull();
    expect(received.counts).toMatchObject({ open: 1, keepalive: 21 });
    expect([...sent.lastNotification!.octets.subarray(19)]).toEqual([4, 0]);
  });

  it("refuses what is not a recording of this version, by line", () => {
    expect(() => readRecording("")).toThrow("line 1: not JSON");
    expect(() => readRecording("{}")).toThrow("line 1: not a recording");
    const text = writeRecording(flight().recorder.snapshot());
    expect(() => readRecording(text.replace('"version":1', '"version":2'))).toThrow("version 2");
    expect(() => readRecording(`${text}{"type":"other"}`)).toThrow("line 2: unknown type");
  });
});

describe("a recording as MRT", () => {
  const records = (file: Uint8Array) => {
    const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    const all = [];
    for (let at = 0; at < file.length;) {
      const length = view.getUint32(at + 8);
      all.push({
        seconds: view.getUint32(at),
        type: view.getUint16(at + 4),
        subtype: view.getUint16(at + 6),
        micros: view.getUint32(at + 12),
        body: hexOf(file.subarray(at + 16, at + 12 + length)),
      });
      at += 12 + length;
    }
    return all;
  };

  it("has the messages of both directions and the changes of state, over IPv4", () => {
    const { recorder, up } = flight();
    up();
    const all = records(writeMrt(recorder.snapshot()));
    expect(all.every(({ type, micros }) => type === 17 && micros < 1_000_000)).toBe(true);
    expect(all.map(({ subtype }) => subtype)).toEqual([5, 5, 7, 4, 5, 7, 4, 5]);
    const ends = "0000fdea0000fde9000000010a0000020a000001";
    expect(all.find(({ subtype }) => subtype === 4)!.body.startsWith(`${ends}${"ff".repeat(16)}`)).toBe(true);
    expect(all.at(-1)!.body).toBe(`${ends}00050006`);
  });

  it("has both ends as IPv6 addresses where the session runs over IPv6", () => {
    const { recorder, up } = flight(undefined, PEER, ip("2001:db8::2"));
    up();
    const { body } = records(writeMrt(recorder.snapshot())).at(-1)!;
    expect(body).toBe(
      "0000fdea0000fde90000000220010db800000000000000000000000220010db800000000000000000000000100050006",
    );
  });

  it("is long beside a few others, and short beside a thousand", () => {
    const MIB = 1024 * 1024;
    expect([0, 1, 8, 16].map((count) => sharedLimits(count).octets)).toEqual([MIB, MIB, MIB, MIB / 2]);
    expect(sharedLimits(1_000).octets * 1_000).toBeLessThan(9 * MIB);
  });

  it("marks the messages of a session with two-octet AS numbers as such", () => {
    const { recorder, step, onConnection, hear } = flight();
    step({ type: "start" });
    onConnection({ type: "tcp-connected" });
    hear({ ...OPEN, capabilities: [] });
    hear(KEEPALIVE);
    const subtypes = records(writeMrt(recorder.snapshot())).map(({ subtype }) => subtype);
    expect(subtypes).toEqual([5, 5, 7, 4, 5, 6, 1, 5]);
  });
});
