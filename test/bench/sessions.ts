import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { pino } from "pino";
import { ip, type Ipv4 } from "../../src/addr/ip.ts";
import { type PeerConfig, Speaker } from "../../src/bgp/session/speaker.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import { systemClock, systemEntropy } from "../../src/linux/io/system-clock.ts";
import { tcpDialer } from "../../src/linux/io/tcp.ts";
import { until } from "../support/until.ts";
import type { Bench } from "./measure.ts";
import { ROUTE_COUNT, table } from "./pack.ts";
import type { Heard } from "./sink.ts";

const ADDRESSES = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
const SINK_ASN = 64_600;
const RUN_COUNT = 7;
const RUN_MILLIS = 20_000;

export const sessions: Bench = {
  name: "sessions",
  about: "10,000 routes to 4 peers over loopback TCP, from Established to the last UPDATE",
  async run(say) {
    const runs: Heard[][] = [];
    for (let i = 0; i < RUN_COUNT; i++) {
      say(`run ${i + 1} of ${RUN_COUNT}`);
      runs.push(await once4());
    }
    // All four begin within moments of each other, and share one thread: the first beginning and the last end count.
    const took = runs.map(
      (heard) => Math.max(...heard.map((it) => it.until)) - Math.min(...heard.map((it) => it.from)),
    );
    const messageCount = runs[0]!.reduce((sum, it) => sum + it.messageCount, 0);
    const sorted = took.toSorted((a, b) => a - b);
    const name = "10,000 routes × 4 peers, Established to last UPDATE";
    return {
      kind: "measured",
      measures: [
        {
          name: `${name}, median`,
          value: sorted[RUN_COUNT >> 1]!,
          unit: "ms",
          bound: { kind: "at most", value: 1000 },
        },
        { name: `${name}, longest of ${RUN_COUNT}`, value: sorted.at(-1)!, unit: "ms" },
        { name: "UPDATEs for that, End-of-RIB included", value: messageCount, unit: "messages" },
      ],
    };
  },
};

async function once4(): Promise<Heard[]> {
  const sink = fork(new URL("./sink.ts", import.meta.url), ADDRESSES);
  const speaker = new Speaker(
    {
      clock: systemClock,
      entropy: systemEntropy,
      dialer: tcpDialer,
      log: pino({ level: "silent" }),
      localAddresses: () => [],
    },
    { localAsn: Asn.of(64_512), routerId: ip("192.0.2.10") as Ipv4 },
  );
  try {
    const [{ ports }] = (await once(sink, "message")) as [{ ports: readonly number[] }];
    const heard: Heard[] = [];
    sink.on("message", (message) => heard.push(message as Heard));
    speaker.setRoutes(table(4, 16));
    speaker.setPeers(ADDRESSES.map((address, at) => peerAt(address, ports[at]!)));
    await until("every peer has its End-of-RIB", () => heard.length === ADDRESSES.length, RUN_MILLIS);
    for (const { prefixCount } of heard) if (prefixCount !== ROUTE_COUNT) throw new Error(`${prefixCount} prefixes`);
    return heard;
  } finally {
    await speaker.stop("bench");
    await end(sink);
  }
}

const peerAt = (address: string, port: number): PeerConfig => ({
  name: address,
  address: ip(address),
  port,
  asn: Asn.of(SINK_ASN),
  passive: false,
  ttl: 1,
  holdTimeSeconds: 90,
  connectRetrySeconds: 5,
  families: ["ipv4-unicast"],
  nextHop: { ipv4: ip("192.0.2.10") as Ipv4 },
});

async function end(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill();
  await gone;
}
