/**
 * The embedded router: vipcast's own speaker in the router's chair. It takes sessions from every node over IPv4 and
 * IPv6, and makes the kernel's routes equal to what they announce.
 *
 * Standard output has its table as a line of JSON after every change, standard error its log. SIGTERM closes the
 * sessions and removes the routes. The argument is how its sessions are to be (PeeringSettings), as is each line of
 * standard input; it ends with that, so it never outlives the lab.
 */
import { createInterface } from "node:readline";
import { pino } from "pino";
import { ip, type IpAddress, type Ipv4 } from "../../src/addr/ip.ts";
import { parsePrefix, type Prefix } from "../../src/addr/prefix.ts";
import { type PeerConfig, Speaker } from "../../src/bgp/session/speaker.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import { Netlink } from "../../src/linux/io/netlink.ts";
import { systemClock, systemEntropy } from "../../src/linux/io/system-clock.ts";
import { tcpDialer, tcpListener } from "../../src/linux/io/tcp.ts";
import type { Md5Key } from "../../src/ports/stream.ts";
import { addressOn, NODE_AS, nodesOf, rackTopology, ROUTER_AS, ROUTER_LAN } from "../topology.ts";
import type { PeeringSettings } from "./driver.ts";
import { EMBEDDED_PROTOCOL, type EmbeddedTable } from "./embedded-driver.ts";
import { type Announced, learnedRoutes } from "./learned-routes.ts";

const BGP_PORT = 179;
const MAIN_TABLE = 254;
const HOLD_TIME_SECONDS = 3;

const log = pino(pino.destination({ fd: 2, sync: true }));
// Only routes are written here, and those carry their own mark.
const netlink = new Netlink({ addressProtocol: 255 });
const speaker = new Speaker(
  { clock: systemClock, entropy: systemEntropy, dialer: tcpDialer, log, localAddresses: () => [] },
  { localAsn: Asn.of(ROUTER_AS), routerId: ip(ROUTER_LAN.v4) as Ipv4 },
);

const EVERYTHING = [
  { within: parsePrefix("0.0.0.0/0")!, lengthMax: 32 },
  { within: parsePrefix("::/0")!, lengthMax: 128 },
];

const addresses = nodesOf(rackTopology({ clientOnLan: false })).map(
  (host) => [host.name, addressOn(host, "lan")] as const,
);

const peersOf = ({ password, gracefulRestart, anyAs }: PeeringSettings): readonly PeerConfig[] =>
  addresses.flatMap(([name, { v4, v6 }]) => {
    const peer = (address: string, family: PeerConfig["families"][number]): PeerConfig => ({
      name: `${name}-${family}`,
      address: ip(address),
      port: BGP_PORT,
      asn: anyAs === true ? "external" : Asn.of(NODE_AS),
      passive: true,
      ttl: 1,
      holdTimeSeconds: HOLD_TIME_SECONDS,
      connectRetrySeconds: 5,
      families: [family],
      importPolicy: { accept: EVERYTHING, honourGracefulShutdown: true },
      ...(password === undefined ? {} : { md5Password: password }),
      ...(gracefulRestart === true
        ? { gracefulRestart: { restartTimeSeconds: 0, helper: true, longLivedSecondsMax: 0 } }
        : {}),
    });
    return [peer(v4, "ipv4-unicast"), peer(v6, "ipv6-unicast")];
  });

const keysOf = ({ password }: PeeringSettings): readonly Md5Key[] =>
  password === undefined
    ? []
    : addresses.flatMap(([, { v4, v6 }]) => [v4, v6].map((address) => ({ remote: ip(address), password })));

/** What is in the kernel, by prefix. */
const installed = new Map<Prefix, readonly IpAddress[]>();

function converge(wanted: ReadonlyMap<Prefix, readonly IpAddress[]>): void {
  let changed = false;
  for (const prefix of installed.keys()) {
    if (wanted.has(prefix)) continue;
    netlink.removeRoute({ prefix, table: MAIN_TABLE, protocol: EMBEDDED_PROTOCOL });
    installed.delete(prefix);
    changed = true;
  }
  for (const [prefix, hops] of wanted) {
    if (installed.get(prefix)?.join() === hops.join()) continue;
    const nextHops = hops.map((via) => ({ via }));
    netlink.replaceRoute({ prefix, table: MAIN_TABLE, protocol: EMBEDDED_PROTOCOL, nextHops });
    installed.set(prefix, hops);
    changed = true;
  }
  if (changed) say();
}

function announced(): readonly Announced[] {
  const received = speaker.received();
  return speaker.peers().map(({ name, address, remote }) => ({
    peerAddress: address,
    // Of a node that restarts, whose routes are kept meanwhile, it is not known.
    peerIdentifier: remote?.identifier ?? NO_IDENTIFIER,
    routes: received.get(name) ?? new Map(),
  }));
}
const NO_IDENTIFIER = ip("0.0.0.0") as Ipv4;

function say(): void {
  const line: EmbeddedTable = { table: Object.fromEntries(installed) };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const settings = JSON.parse(process.argv[2] ?? "{}") as PeeringSettings;
speaker.setPeers(peersOf(settings));
// Nothing to announce; saying so lets the nodes see the end of our table.
speaker.setRoutes(new Map());
speaker.onChange(() => converge(learnedRoutes(announced())));
const accept = speaker.accept.bind(speaker);
const listeners = await Promise.all(
  [ROUTER_LAN.v4, ROUTER_LAN.v6].map((address) =>
    tcpListener.listen({ local: { address: ip(address), port: BGP_PORT }, md5Keys: keysOf(settings) }, accept),
  ),
);
say();

async function end(): Promise<void> {
  for (const listener of listeners) listener.close();
  await speaker.stop("router stops");
  converge(new Map());
  process.exit(0);
}
process.once("SIGTERM", () => void end());
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const changed = JSON.parse(line) as PeeringSettings;
    for (const listener of listeners) listener.setMd5Keys(keysOf(changed));
    speaker.setPeers(peersOf(changed));
  })
  .on("close", () => process.exit(0));
