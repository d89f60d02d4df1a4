/**
 * The routers of the `sessions` bench, in a process of their own: one BGP speaker on each address given, that says as
 * little as it can and counts what it hears. Sends `{ ports }` when it listens, and one `Heard` for each session.
 */
import net from "node:net";
import { ip, type Ipv4 } from "../../src/addr/ip.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import { frame } from "../../src/bgp/wire/framing.ts";
import { decodeMessage, encodeMessage } from "../../src/bgp/wire/message.ts";
import { SESSION } from "./mixes.ts";

const SINK_ASN = 64_600;

/** One session from its side: times are of its own clock, in milliseconds. */
export interface Heard {
  /** When the last thing was said that the other side needed for Established. */
  readonly from: number;
  /** When the End-of-RIB was here. */
  readonly until: number;
  readonly messageCount: number;
  readonly prefixCount: number;
}

const SETTINGS = { ...SESSION, families: ["ipv4-unicast"] } as const;

function serve(socket: net.Socket, identifier: Ipv4): void {
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  let rest: Buffer = Buffer.alloc(0);
  let [from, messageCount, prefixCount] = [0, 0, 0];
  socket.on("data", (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    for (let framed = frame(rest); framed.kind === "message"; framed = frame(rest)) {
      rest = rest.subarray(framed.bytes.length);
      const decoded = decodeMessage(framed.bytes, SETTINGS);
      if (decoded.kind !== "message") throw new Error(decoded.fault.kind);
      const { message } = decoded;
      if (message.type === "open") {
        const capabilities = [
          { kind: "multiprotocol", afi: 1, safi: 1 },
          { kind: "four-octet-as", asn: Asn.of(SINK_ASN) },
        ] as const;
        const open = { type: "open", twoOctetAs: SINK_ASN, holdTimeSeconds: 90, identifier, capabilities } as const;
        socket.write(encodeMessage(open, SETTINGS));
        socket.write(encodeMessage({ type: "keepalive" }, SETTINGS));
        from = performance.now();
      }
      if (message.type !== "update") continue;
      messageCount++;
      prefixCount += message.nlri.length;
      if (framed.bytes.length === 23) {
        process.send?.({ from, until: performance.now(), messageCount, prefixCount } satisfies Heard);
      }
    }
  });
}

const addresses = process.argv.slice(2).map((text) => ip(text) as Ipv4);
const servers = await Promise.all(
  addresses.map(
    (address) =>
      new Promise<net.Server>((resolve) => {
        const server = net.createServer((socket) => serve(socket, address));
        server.listen(0, address, () => resolve(server));
      }),
  ),
);
process.send?.({ ports: servers.map((server) => (server.address() as net.AddressInfo).port) });
// The bench that asked is gone.
process.on("disconnect", () => process.exit(0));
