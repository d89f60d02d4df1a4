/**
 * The speaker under test in a process of its own, so that it can be stopped and killed: vipcast's BGP on the system's
 * TCP, told on standard input what to do and telling on standard output, after every change, what it sees. Its log is
 * standard error. It ends with its standard input.
 */
import { createInterface } from "node:readline";
import { pino } from "pino";
import { ip, type Ipv4 } from "../../src/addr/ip.ts";
import { parsePrefix } from "../../src/addr/prefix.ts";
import { Speaker } from "../../src/bgp/session/speaker.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import { BfdSessions } from "../../src/daemon/bfd-sessions.ts";
import { RouterDiscovery } from "../../src/l2/session/router-discovery.ts";
import { routerSegments } from "../../src/linux/io/router-segment.ts";
import { systemClock, systemEntropy } from "../../src/linux/io/system-clock.ts";
import { tcpDialer, tcpListener } from "../../src/linux/io/tcp.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import type { Order, SpeakerStart, SpeakerView } from "./speaker.ts";
import { Tap } from "./tap.ts";

const start = JSON.parse(process.argv[2]!) as SpeakerStart;
const tap = new Tap();
const addresses = start.addresses.map(ip);

const log = pino(pino.destination({ fd: 2, sync: true }));

const speaker = new Speaker(
  {
    clock: systemClock,
    entropy: systemEntropy,
    dialer: tap.dialer(tcpDialer),
    log,
    localAddresses: (of) => addresses.filter((one) => one !== of),
  },
  { localAsn: Asn.of(start.localAsn), routerId: ip(start.routerId) as Ipv4, restarted: start.restarted ?? false },
);
const bfd = new BfdSessions({ clock: systemClock, log, metrics: new Metrics() });
bfd.onChange(({ name, state, controlPlaneIndependent }) => {
  speaker.setBfdState(name, state, { controlPlaneIndependent });
  say();
});

const discovery = new RouterDiscovery(
  { clock: systemClock, entropy: systemEntropy, segments: routerSegments, log },
  () => say(),
);

let answered = 0;
let ended = false;
let isSaying = false;

/** One line for everything that happens in one turn of the event loop. */
function say(): void {
  if (isSaying) return;
  isSaying = true;
  setImmediate(() => {
    isSaying = false;
    const view: SpeakerView = {
      answered,
      ended,
      peers: speaker.peers(),
      received: Object.fromEntries([...speaker.received()].map(([name, routes]) => [name, [...routes.values()]])),
      discovered: start.discover === undefined ? null : discovery.status(start.discover.name).router,
      bfd: bfd.status(),
      traffic: { sent: tap.sent, received: tap.received },
    };
    process.stdout.write(`${JSON.stringify(view, (_, it: unknown) => (typeof it === "bigint" ? `${it}` : it))}\n`);
  });
}

async function obey(order: Order): Promise<void> {
  await perform(order);
  answered++;
  say();
}

async function perform(order: Order): Promise<void> {
  switch (order.do) {
    case "peers":
      return speaker.setPeers(order.peers);
    case "routes":
      return speaker.setRoutes(
        new Map(
          order.routes.map(({ prefix, extendedCommunities, ...attributes }) => [
            parsePrefix(prefix)!,
            extendedCommunities ? { ...attributes, extendedCommunities: extendedCommunities.map(BigInt) } : attributes,
          ]),
        ),
      );
    case "keys":
      for (const one of listening) one.setMd5Keys(order.keys);
      return;
    case "look":
      return;
    case "drain":
      return speaker.drain();
    case "bfd":
      return bfd.setSessions(order.sessions);
    case "stop":
      await speaker.stop(order.reason, { keepRoutes: order.keepRoutes ?? false });
      ended = true;
  }
}

const listening = await Promise.all(
  start.listen.map(({ address, port, ...options }) =>
    tcpListener.listen(
      { ...options, local: { address: ip(address), port } },
      tap.acceptor((stream) => speaker.accept(stream)),
    ),
  ),
);
speaker.onChange(say);
if (start.discover !== undefined) discovery.setLinks(new Map([[start.discover.name, start.discover]]));
createInterface({ input: process.stdin })
  .on("line", (line) => void obey(JSON.parse(line) as Order))
  .on("close", () => process.exit(0));
say();
