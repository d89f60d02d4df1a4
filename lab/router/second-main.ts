/**
 * The second router of some scenarios: vipcast's own speaker on the nodes' management network. It installs nothing. The
 * argument, and each line of standard input, are its settings (SecondSettings); standard output has what it has seen
 * (SecondView) as a line of JSON after every change. Ends with its standard input.
 */
import { createInterface } from "node:readline";
import { pino } from "pino";
import { ip, type Ipv4 } from "../../src/addr/ip.ts";
import { type PeerConfig, Speaker } from "../../src/bgp/session/speaker.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import { systemClock, systemEntropy } from "../../src/linux/io/system-clock.ts";
import { tcpDialer, tcpListener } from "../../src/linux/io/tcp.ts";
import type { ByteStream, StreamHandler } from "../../src/ports/stream.ts";
import { machineMillis } from "../machine-time.ts";
import { addressOn, nodesOf, rackTopology } from "../topology.ts";
import { SECOND_ROUTER, type SecondSettings, type SecondView } from "./second.ts";

const BGP_PORT = 179;

const nodes = nodesOf(rackTopology({ clientOnLan: false })).map((host) => ({
  name: host.name,
  address: ip(addressOn(host, "mgmt").v4),
}));
const peers = nodes.map(({ name, address }): PeerConfig => ({
  name,
  address,
  port: BGP_PORT,
  asn: "external",
  passive: true,
  ttl: 1,
  holdTimeSeconds: 3,
  connectRetrySeconds: 5,
  // It is for the nodes to restrain themselves: whoever comes is let in.
  idleHoldSecondsMax: 0.1,
  families: ["ipv4-unicast"],
}));
const speaker = new Speaker(
  {
    clock: systemClock,
    entropy: systemEntropy,
    dialer: tcpDialer,
    log: pino({ level: "debug" }, pino.destination({ fd: 2, sync: true })),
    localAddresses: () => [],
  },
  { localAsn: Asn.of(SECOND_ROUTER.asn), routerId: ip(SECOND_ROUTER.address) as Ipv4 },
);

let settings = JSON.parse(process.argv[2] ?? "{}") as SecondSettings;
const connections: { node: string; at: number }[] = [];
let established: readonly string[] = [];
let lost = 0;
const ownResets = new Set<string>();
/** By node: its last connection. */
const streams = new Map<string, ByteStream>();

function say(): void {
  const view: SecondView = { connections, established, lost };
  process.stdout.write(`${JSON.stringify(view)}\n`);
}

function look(): void {
  const now = speaker.peers().flatMap(({ name, state }) => (state === "established" ? [name] : []));
  for (const name of established) {
    if (now.includes(name)) continue;
    if (!ownResets.delete(name)) lost++;
  }
  if (now.join() === established.join()) return;
  established = now;
  say();
}

function reset(node: string, stream: ByteStream): void {
  ownResets.add(node);
  stream.destroy();
}

function accept(stream: ByteStream): StreamHandler | null {
  const node = nodes.find(({ address }) => address === stream.remote.address)?.name;
  if (node === undefined) return null;
  connections.push({ node, at: machineMillis() });
  streams.set(node, stream);
  if (settings.resetAfterMillis !== null) setTimeout(() => reset(node, stream), settings.resetAfterMillis);
  const handler = speaker.accept(stream);
  say();
  return handler;
}

speaker.setPeers(peers);
speaker.setRoutes(new Map());
speaker.onChange(look);
const { password } = settings;
await tcpListener.listen(
  {
    local: { address: ip(SECOND_ROUTER.address), port: BGP_PORT },
    md5Keys: password === undefined ? [] : nodes.map(({ address }) => ({ remote: address, password })),
  },
  accept,
);
say();
createInterface({ input: process.stdin })
  .on("line", (line) => {
    settings = JSON.parse(line) as SecondSettings;
    if (settings.resetNow === true) for (const [node, stream] of streams) reset(node, stream);
  })
  .on("close", () => process.exit(0));
