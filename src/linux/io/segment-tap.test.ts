import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Namespaces } from "../../../test/support/namespaces.ts";
import { needsRoot } from "../../../test/support/privileges.ts";
import { until } from "../../../test/support/until.ts";
import { ip, type IpAddress, type Ipv4, type Ipv6, ipToBytes } from "../../addr/ip.ts";
import { BROADCAST, type Mac, macFromBytes, macToBytes } from "../../addr/mac.ts";
import { ARP_OPERATION, type ArpFrame, decodeArp, encodeArp } from "../../l2/wire/arp.ts";
import { claimIn } from "../../l2/wire/claim.ts";
import {
  decodeNeighbourAdvertisement,
  type NeighbourAdvertisement,
  unsolicitedAdvertisement,
} from "../../l2/wire/neighbour-advertisement.ts";
import type { SegmentSocket } from "../../ports/network.ts";
import { Netlink } from "./netlink.ts";
import { segments } from "./segment.ts";
import { segmentTaps } from "./segment-tap.ts";

const VIP4 = ip("10.0.0.100") as Ipv4;
const VIP6 = ip("fd00::100") as Ipv6;
const SOLICITED_NODE = ip("ff02::1:ff00:100") as Ipv6;
const ALL_NODES = ip("ff02::1") as Ipv6;
const UNSPECIFIED = ip("::") as Ipv6;
const NO_MAC = macFromBytes(new Uint8Array(6));

/**
 * "a" holds the VIPs as a node does, put there by the daemon's own netlink code; "b" is a neighbour that asks with
 * frames of its own making and listens with a tap. What answers is the kernel of "a".
 */
describe.runIf(!needsRoot)("a VIP on a real segment", () => {
  let lan: Namespaces;
  let holder: Mac;
  let asker: Mac;
  let index: number;
  let network: Netlink;
  let socket: SegmentSocket;
  let tap: { close(): void };
  const heard: Uint8Array[] = [];
  const vips: readonly { address: IpAddress; prefixLength: number }[] = [
    { address: VIP4, prefixLength: 32 },
    { address: VIP6, prefixLength: 128 },
  ];
  const take = (): void => {
    for (const vip of vips) network.addAddress({ ...vip, interfaceIndex: index, scopeHost: false });
  };
  const release = (): void => {
    for (const vip of vips) network.removeAddress({ ...vip, interfaceIndex: index });
  };
  const indexOf = (name: string): number => Number(/^(\d+):/.exec(lan.ip(name, "link show e0"))![1]);
  const macOf = (name: string): Mac => /link\/ether ([0-9a-f:]+)/.exec(lan.ip(name, "link show e0"))![1] as Mac;

  beforeAll(async () => {
    lan = new Namespaces("a", "b");
    lan.connect("a", "b", "e0");
    lan.ip("a", "addr add 10.0.0.1/24 dev e0");
    lan.ip("a", "addr add fd00::1/64 dev e0 nodad");
    lan.ip("b", "addr add 10.0.0.2/24 dev e0");
    lan.ip("b", "addr add fd00::2/64 dev e0 nodad");
    [index, holder, asker] = [indexOf("a"), macOf("a"), macOf("b")];
    await until("link-local addresses", () => ["a", "b"].every((it) => lan.ip(it, "addr show e0").includes("fe80:")));
    network = lan.in("a", () => new Netlink({ addressProtocol: 248, alsoOwned: [] }));
    socket = lan.in("b", () => segments.open(indexOf("b")));
    tap = lan.in("b", () => segmentTaps.open(indexOf("b"), (frame) => void heard.push(Uint8Array.from(frame))));
    take();
  });
  beforeEach(() => void heard.splice(0));
  afterAll(() => {
    tap?.close();
    socket?.close();
    network?.close();
    lan?.remove();
  });

  const request = (change: Partial<ArpFrame> = {}): Uint8Array =>
    encodeArp({
      destination: BROADCAST,
      source: asker,
      operation: ARP_OPERATION.request,
      senderMac: asker,
      senderIp: ip("10.0.0.2") as Ipv4,
      targetMac: NO_MAC,
      targetIp: VIP4,
      ...change,
    });
  const arpReply = (): ArpFrame | undefined =>
    heard.map((frame) => (frame[12] === 0x08 ? decodeArp(frame) : null)).find((it) => it?.operation === 2) ?? undefined;
  const advertisements = (): { destination: string; message: NeighbourAdvertisement }[] =>
    heard.flatMap((frame) => {
      const message = frame[12] === 0x86 ? decodeNeighbourAdvertisement(frame.subarray(54)) : null;
      return message ? [{ destination: Buffer.from(frame.subarray(38, 54)).toString("hex"), message }] : [];
    });

  /** A solicitation for the IPv6 VIP, complete from the Ethernet header on. */
  function solicitation(of: { from: IpAddress; to: Ipv6; toMac: Mac; option: boolean; hopLimit?: number }): Uint8Array {
    const option = of.option ? [1, 1, ...macToBytes(asker)] : [];
    const body = Uint8Array.from([135, 0, 0, 0, 0, 0, 0, 0, ...ipToBytes(VIP6), ...option]);
    const [from, to] = [ipToBytes(of.from), ipToBytes(of.to)];
    const sum = checksum([...from, ...to, 0, 0, 0, body.length, 0, 0, 0, 58, ...body]);
    body.set([sum >> 8, sum & 0xff], 2);
    const header = [0x60, 0, 0, 0, 0, body.length, 58, of.hopLimit ?? 255, ...from, ...to];
    return Uint8Array.from([...macToBytes(of.toMac), ...macToBytes(asker), 0x86, 0xdd, ...header, ...body]);
  }
  const GROUP_MAC = "33:33:ff:00:01:00" as Mac;

  it("is answered for by ARP, from the interface's own Ethernet address (ARP-826-01, ARP-5227-3-01)", async () => {
    socket.sendFrame(request());
    await until("an ARP reply", () => arpReply() !== undefined);
    expect(arpReply()).toMatchObject({ senderMac: holder, senderIp: VIP4, targetMac: asker, destination: asker });
  });

  it("is answered for by ARP to a sender outside of all subnets (ARP-826-01)", async () => {
    lan.ip("a", "route add 192.0.2.0/24 dev e0");
    socket.sendFrame(request({ senderIp: ip("192.0.2.9") as Ipv4 }));
    await until("an ARP reply", () => arpReply() !== undefined);
    expect(arpReply()).toMatchObject({ senderMac: holder, targetIp: "192.0.2.9" });
  });

  // RFC 4861 §7.2.4: to a unicast question the link-layer option may be left out, and without it O is 0.
  it("is answered for by NDP: overriding to its group, confirming by unicast (ND-4861-7.2.4-01)", async () => {
    const from = ip("fd00::2");
    for (const [to, toMac, answer] of [
      [SOLICITED_NODE, GROUP_MAC, { override: true, mac: holder }],
      [VIP6, holder, { override: false, mac: null }],
    ] as const) {
      heard.splice(0);
      socket.sendFrame(solicitation({ from, to, toMac, option: true }));
      await until("an advertisement", () => advertisements().length > 0);
      expect(advertisements()[0]!.message).toMatchObject({ target: VIP6, solicited: true, ...answer });
    }
  });

  it("is answered for when a neighbour checks, without a link-layer option (ND-4861-7.1.1-02, ND-4861-7.3.3-01)", async () => {
    const from = ip("fd00::2");
    // The kernel answers to the address that it already knows.
    lan.ip("a", `neigh replace fd00::2 lladdr ${asker} dev e0 nud reachable`);
    socket.sendFrame(solicitation({ from, to: VIP6, toMac: holder, option: false }));
    await until("an advertisement", () => advertisements().some(({ message }) => message.solicited));
  });

  it("is defended against another's duplicate address detection, to all nodes (ND-4861-7.2.4-02)", async () => {
    socket.sendFrame(solicitation({ from: UNSPECIFIED, to: SOLICITED_NODE, toMac: GROUP_MAC, option: false }));
    await until("an advertisement", () => advertisements().length > 0);
    const [{ destination, message } = { destination: "", message: null }] = advertisements();
    expect(destination).toBe(Buffer.from(ipToBytes(ALL_NODES)).toString("hex"));
    expect(message).toMatchObject({ target: VIP6, solicited: false, override: true });
  });

  it("is not answered for when the question came over a router or is damaged (ND-4861-7.1.1-01)", async () => {
    const from = ip("fd00::2");
    const good = { from, to: VIP6, toMac: holder, option: true };
    const zeroLengthOption = solicitation(good);
    zeroLengthOption[54 + 25] = 0;
    socket.sendFrame(solicitation({ ...good, hopLimit: 64 }));
    socket.sendFrame(zeroLengthOption);
    socket.sendFrame(solicitation({ ...good, from: UNSPECIFIED, to: SOLICITED_NODE, toMac: GROUP_MAC }));
    // Answers come in the order of the questions: when this one is answered, the others were not.
    socket.sendFrame(solicitation(good));
    await until("the answer to the last", () => advertisements().length > 0);
    expect(advertisements()).toHaveLength(1);
  });

  it("is in its solicited-node group while it is held, and answered no more once it is given up (ND-4861-2.7-01, ARP-826-01)", async () => {
    const groups = (): string => lan.ip("a", "-6 maddr show dev e0");
    expect(groups()).toContain(SOLICITED_NODE);
    release();
    expect(groups()).not.toContain(SOLICITED_NODE);
    socket.sendFrame(request());
    socket.sendFrame(request({ targetIp: ip("10.0.0.1") as Ipv4 }));
    await until("the answer for the node's own address", () => arpReply() !== undefined);
    expect(heard.filter((frame) => claimIn(frame)?.address === VIP4)).toEqual([]);
    take();
  });

  it("is heard being claimed by another, by ARP and by NDP, and nothing else of the traffic is (ARP-5227-2.4-01, ND-4861-7.2.5-01)", async () => {
    const claims: unknown[] = [];
    const others: Uint8Array[] = [];
    const ear = lan.in("a", () =>
      segmentTaps.open(index, (frame) => {
        const claim = claimIn(frame);
        if (claim?.address === VIP4 || claim?.address === VIP6) claims.push(claim);
        if (frame[12] === 0x86 && ![135, 136].includes(frame[54]!)) others.push(Uint8Array.from(frame));
      }),
    );
    socket.sendFrame(Uint8Array.from([...macToBytes(holder), ...macToBytes(asker), 0x86, 0xdd, ...new Uint8Array(60)]));
    socket.sendFrame(request({ senderIp: VIP4, targetIp: VIP4 }));
    socket.sendIcmpv6(unsolicitedAdvertisement(VIP6, asker, false), ALL_NODES);
    socket.sendFrame(solicitation({ from: UNSPECIFIED, to: SOLICITED_NODE, toMac: GROUP_MAC, option: false }));
    await until("three claims", () => claims.length === 3);
    expect(claims).toEqual(expect.arrayContaining([VIP4, VIP6, VIP6].map((address) => ({ address, mac: asker }))));
    expect(others).toEqual([]);
    ear.close();
  });

  it("says why an interface cannot be listened on", () => {
    expect(() => lan.in("a", () => segmentTaps.open(9999, () => {}))).toThrow(
      expect.objectContaining({ code: "ENODEV" }),
    );
  });
});

/** RFC 1071. */
function checksum(octets: readonly number[]): number {
  let sum = 0;
  for (let at = 0; at < octets.length; at += 2) sum += (octets[at]! << 8) | (octets[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
