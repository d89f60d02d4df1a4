import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { join } from "node:path";
import { pino } from "pino";
import { expect, it } from "vitest";
import { ip, type Ipv4 } from "../src/addr/ip.ts";
import { parsePrefix } from "../src/addr/prefix.ts";
import { Speaker } from "../src/bgp/session/speaker.ts";
import { Asn } from "../src/bgp/wire/asn.ts";
import { systemClock, systemEntropy } from "../src/linux/io/system-clock.ts";
import { tcpDialer, tcpListener } from "../src/linux/io/tcp.ts";
import { until } from "./support/until.ts";

const EXAMPLE = join(import.meta.dirname, "../docs/announce.ts");
/** The example's end and the router's: one address for both would be its own next hop. */
const [HOST, ROUTER] = [ip("127.0.0.1"), ip("127.0.0.2")];
const [OURS, THEIRS] = [parsePrefix("192.0.2.0/24")!, parsePrefix("198.51.100.7/32")!];

it("docs/announce.ts announces, prints what the router announces, and takes its leave", async () => {
  const router = new Speaker(
    {
      clock: systemClock,
      entropy: systemEntropy,
      dialer: tcpDialer,
      log: pino({ level: "silent" }),
      localAddresses: () => [],
    },
    { localAsn: Asn.of(65_000), routerId: ip("192.0.2.254") as Ipv4 },
  );
  using bound = new net.BoundSocket({ host: ROUTER, port: 0 });
  const { port } = bound.address();
  bound[Symbol.dispose]();
  await router.listen(tcpListener, { address: ROUTER, port });
  router.setRoutes(new Map([[OURS, {}]]));
  router.setPeers([
    {
      name: "example",
      address: HOST,
      port: 179,
      asn: Asn.of(65_001),
      passive: true,
      ttl: 1,
      holdTimeSeconds: 9,
      connectRetrySeconds: 5,
      families: ["ipv4-unicast"],
      nextHop: { ipv4: ip("192.0.2.254") as Ipv4 },
    },
  ]);
  const example = spawn(process.execPath, [EXAMPLE, `${ROUTER}:${port}`, "65000", THEIRS], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    let printed = "";
    example.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    await until("both know each other's routes", () => /1 sent, received: 192\.0\.2\.0\/24/.test(printed));
    const told = [...router.received().get("example")!.values()];
    expect(told).toMatchObject([{ prefix: THEIRS, communities: [0xfde8_0064], nextHop: "192.0.2.1" }]);
    example.kill("SIGTERM");
    const [code] = (await once(example, "exit")) as [number | null];
    expect(code).toBe(0);
    await until("the router has heard why", () => router.peers()[0]!.notifications.received !== null);
    expect(router.peers()[0]!.notifications.received).toMatchObject({ code: 6, subcode: 2 });
  } finally {
    example.kill("SIGKILL");
    await router.stop("test is over");
  }
});
