import { describe, expect, it } from "vitest";
import { encodeMessage, decodeMessages, FLAG, NLMSG, RTM } from "../wire/message.ts";
import { NetlinkRefused } from "../../ports/network.ts";
import { SystemError } from "./ffi.ts";
import { NetlinkSocket } from "./netlink-socket.ts";

const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);

/** A kernel that plays back, per request, one list of datagrams; each datagram is a list of messages. */
function playing(...scripts: { type: number; flags?: number; payload: Uint8Array; late?: boolean }[][][]) {
  const requests: number[] = [];
  const buffer = new Uint8Array(4096);
  let queue: Uint8Array[] = [];
  const socket = new NetlinkSocket({
    send(datagram) {
      const [request] = decodeMessages(datagram);
      requests.push(request!.flags);
      queue = (scripts.shift() ?? []).map((messages) =>
        Buffer.concat(
          messages.map(({ type, flags = 0, payload, late = false }) =>
            encodeMessage({ type, flags, payload, sequence: request!.sequence - (late ? 1 : 0) }),
          ),
        ),
      );
    },
    receive() {
      // One buffer for all answers, as a socket has: what is kept must have been copied.
      const next = queue.shift();
      if (next === undefined) return null;
      buffer.set(next);
      return buffer.subarray(0, next.length);
    },
    close() {},
  });
  return { requests, socket };
}

const entry = (value: number, flags = 0) => ({ type: RTM.newAddress, flags, payload: int(value) });
const done = { type: NLMSG.done, payload: int(0) };

describe("a conversation with the kernel", () => {
  it.each(["send", "receive"] as const)("takes a system call that failed for a refusal (%s)", (call) => {
    const fail = (): never => {
      throw new SystemError(call, 105);
    };
    const socket = new NetlinkSocket({ send: () => {}, receive: () => null, close: () => {}, [call]: fail });
    expect(() => socket.dump("list", RTM.getAddress, int(0))).toThrow(NetlinkRefused);
    expect(() => socket.dump("list", RTM.getAddress, int(0))).toThrow(/list: .*\(ENOBUFS\)/);
  });

  it("gathers a dump from several datagrams", () => {
    const { socket, requests } = playing([
      [entry(1), entry(2)],
      [entry(3), done],
    ]);
    expect(socket.dump("list", RTM.getAddress, int(0))).toEqual([int(1), int(2), int(3)]);
    expect(requests).toEqual([FLAG.request | FLAG.dump]);
  });

  it("asks again when changes ran into the dump, whichever message says so", () => {
    for (const interrupted of [
      [[entry(1, FLAG.dumpInterrupted)], [done]],
      [[entry(1)], [{ ...done, flags: FLAG.dumpInterrupted }]],
    ]) {
      const { socket, requests } = playing(interrupted, interrupted, [[entry(1), entry(2), done]]);
      expect(socket.dump("list", RTM.getAddress, int(0))).toEqual([int(1), int(2)]);
      expect(requests).toHaveLength(3);
    }
  });

  it("takes what it has when every dump is interrupted", () => {
    const interrupted = [[entry(1, FLAG.dumpInterrupted), done]];
    const { socket, requests } = playing(...Array.from({ length: 50 }, () => interrupted));
    expect(socket.dump("list", RTM.getAddress, int(0))).toEqual([int(1)]);
    expect(requests).toHaveLength(10);
  });

  it("passes over late answers to an earlier request", () => {
    const late = { type: NLMSG.error, payload: int(-1), late: true };
    const { socket } = playing([[late], [{ ...entry(7), late: true }, entry(8), done]]);
    expect(socket.dump("list", RTM.getAddress, int(0))).toEqual([int(8)]);
  });

  it("fails after the time-out, and the next request is not confused by it", () => {
    const { socket } = playing([], [[{ type: NLMSG.error, payload: int(0) }]]);
    expect(() => socket.request("add", { type: RTM.newAddress, flags: 0, payload: int(0) }, [])).toThrow(
      expect.objectContaining({ name: "NetlinkRefused", errno: 110 }),
    );
    expect(socket.request("add", { type: RTM.newAddress, flags: 0, payload: int(0) }, [])).toBe(true);
  });

  it("tells a refusal with the kernel's own words, and lets pass what is tolerated", () => {
    const words = Buffer.from("Invalid prefix\0");
    const attribute = Buffer.concat([Buffer.from([words.length + 4, 0, 1, 0]), words]);
    const header = new Uint8Array(16);
    const refused = {
      type: NLMSG.error,
      flags: FLAG.capped | FLAG.ackAttributes,
      payload: Buffer.concat([int(-22), header, attribute]),
    };
    const request = { type: RTM.newRoute, flags: FLAG.create, payload: int(0) };
    expect(() => playing([[refused]]).socket.request("route", request, [])).toThrow(
      /^route: invalid argument \(Invalid prefix\)$/,
    );
    const { socket, requests } = playing([[refused]]);
    expect(socket.request("route", request, [22])).toBe(false);
    expect(requests).toEqual([FLAG.request | FLAG.ack | FLAG.create]);
  });

  it("fails a dump that the kernel refuses, but takes a missing table for an empty one", () => {
    const refuse = (errno: number) => playing([[{ type: NLMSG.done, payload: int(-errno) }]]).socket;
    expect(() => refuse(1).dump("list", RTM.getRoute, int(0))).toThrow(/operation not permitted/);
    expect(refuse(2).dump("list", RTM.getRoute, int(0))).toEqual([]);
  });

  it("gets one object, or null where there is none", () => {
    const ok = { type: NLMSG.error, payload: int(0) };
    expect(playing([[entry(5)], [ok]]).socket.get("get", RTM.getLink, int(0))).toEqual(int(5));
    const none = { type: NLMSG.error, payload: int(-19) };
    expect(playing([[none]]).socket.get("get", RTM.getLink, int(0))).toBeNull();
  });
});
