/**
 * The speaker without the daemon: announces prefixes to one router until it is stopped, and prints what it is told.
 * `node docs/announce.ts ADDRESS[:PORT] AS PREFIX…`, itself 192.0.2.1 in AS 65001. Nothing is bound to the daemon:
 * src/bgp imports addresses, ports and the log, and the ports (src/ports/stream.ts, clock.ts) may be your own.
 */
import { pino } from "pino";
import { ip, type Ipv4 } from "../src/addr/ip.ts";
import { parsePrefix } from "../src/addr/prefix.ts";
import { type PeerConfig, Speaker } from "../src/bgp/session/speaker.ts";
import { Asn } from "../src/bgp/wire/asn.ts";
import { systemClock as clock, systemEntropy as entropy } from "../src/linux/io/system-clock.ts";
import { tcpDialer as dialer } from "../src/linux/io/tcp.ts";

const [router = "192.0.2.254", as = "65000", ...prefixes] = process.argv.slice(2);
const [address, port] = router.split(":") as [string, string?];
const log = pino({ level: "silent" });
const local = { localAsn: Asn.of(65_001), routerId: ip("192.0.2.1") as Ipv4 };
const timers = { holdTimeSeconds: 9, connectRetrySeconds: 5 };
const everything = { within: parsePrefix("0.0.0.0/0")!, lengthMax: 32 };
const importPolicy = { accept: [everything], honourGracefulShutdown: true };
const endpoint = { address: ip(address), port: Number(port ?? 179), passive: false, ttl: 1 };
const asn = Asn.of(Number(as));
const routes = { families: ["ipv4-unicast"], nextHop: { ipv4: local.routerId }, importPolicy } as const;
const peer: PeerConfig = { name: "router", asn, ...endpoint, ...timers, ...routes };

const speaker = new Speaker({ clock, entropy, dialer, log, localAddresses: () => [] }, local);
const attributes = { communities: [65_000 * 65_536 + 100], med: 50 };
speaker.setRoutes(new Map(prefixes.map((prefix) => [parsePrefix(prefix)!, attributes])));
speaker.setPeers([peer]);
speaker.onChange(() => {
  const { state, prefixesSent, diagnosis } = speaker.peers()[0]!;
  const received = [...speaker.received().get("router")!.values()].map(({ prefix }) => prefix);
  console.log(`${state}: ${prefixesSent} sent, received: ${received.join(" ")} ${diagnosis?.problem ?? ""}`);
});
process.once("SIGTERM", () => void speaker.stop("done").then(() => process.exit(0)));
