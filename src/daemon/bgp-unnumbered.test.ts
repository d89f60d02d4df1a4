import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { stringify } from "yaml";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Namespaces } from "../../test/support/namespaces.ts";
import { needsRoot } from "../../test/support/privileges.ts";
import { until } from "../../test/support/until.ts";
import { hostPrefix } from "../addr/prefix.ts";
import { ip } from "../addr/ip.ts";
import { loadSettings } from "../config/load.ts";
import { Netlink } from "../linux/io/netlink.ts";
import { routerSegments } from "../linux/io/router-segment.ts";
import { systemClock, systemEntropy } from "../linux/io/system-clock.ts";
import { tcpDialer, tcpListener } from "../linux/io/tcp.ts";
import type { ByteStream } from "../ports/stream.ts";
import { BgpRuntime } from "./bgp.ts";
import { RestartNoteFile } from "./restart-note.ts";

const log = pino({ level: "silent" });
const PORT = 1790;

/** Node looks the name of an interface up where this thread is, which is in neither of the two. */
const onCable = (stream: ByteStream): ByteStream =>
  Object.defineProperty(stream, "remote", { value: { ...stream.remote, interfaceName: "e0" } });

/** Two nodes on one cable that know nothing of each other but the name of the interface. */
describe.runIf(!needsRoot)("unnumbered BGP between two kernels", () => {
  let lan: Namespaces;
  let folder: string;
  const ends: (() => void | Promise<void>)[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "vipcast-unnumbered-"));
    lan = new Namespaces("a", "b");
    lan.connect("a", "b", "e0");
    await until("link-local addresses", () => ["a", "b"].every((it) => lan.ip(it, "addr show e0").includes("fe80:")));
  });
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
    lan.remove();
    rmSync(folder, { recursive: true });
  });

  async function start(name: string, bgp: object): Promise<BgpRuntime> {
    const text = stringify({ mode: "bgp", services: { enabled: true }, bgp });
    const loaded = loadSettings({ flags: {}, env: {}, file: { path: "f.yaml", text } });
    if ("errors" in loaded) throw new Error(JSON.stringify(loaded.errors));
    const network = lan.in(name, () => new Netlink({ addressProtocol: 250, alsoOwned: [] }));
    ends.push(() => network.close());
    const runtime = new BgpRuntime({
      settings: loaded.settings.bgp!,
      ...{ clock: systemClock, entropy: systemEntropy, log, network },
      dialer: { dial: (options, handler) => lan.in(name, () => tcpDialer.dial(options, handler)) },
      listener: {
        listen: (options, accept) =>
          lan.in(name, () => tcpListener.listen(options, (stream) => accept(onCable(stream)))),
      },
      routerSegments: { open: (index, onFrame) => lan.in(name, () => routerSegments.open(index, onFrame)) },
      secrets: {
        ...{ environment: {}, namespace: "" },
        watchSecret: () => ({ data: null, error: null, synced: false, close: () => undefined }),
      },
      note: new RestartNoteFile(join(folder, name)),
      hasLastingRoutes: true,
    });
    const watch = lan.in(name, () => network.watch(() => runtime.kernelChanged()));
    ends.push(() => watch.close());
    ends.push(() => runtime.stop("", { keepRoutes: false }));
    await runtime.open();
    runtime.speaker.setRoutes(new Map());
    return runtime;
  }
  const stateOf = (of: BgpRuntime) => of.speaker.peers()[0]!;
  const isUp = (of: BgpRuntime): boolean => stateOf(of).state === "established";
  const shared = {
    import: {
      accept: [
        { prefix: "0.0.0.0/0", maxLength: 32 },
        { prefix: "::/0", maxLength: 128 },
      ],
    },
    connectRetrySeconds: 1,
    maxIdleSeconds: 1,
  };

  it("comes up by discovery, carries both families over link-local addresses, and falls with the link (UNN-01, UNN-02, UNN-06, UNN-08, UNN-09, UNN-10)", async () => {
    const a = await start("a", {
      ...{ ...shared, localAs: 65001, routerId: "10.0.0.1" },
      peers: [{ interface: "e0", as: "external", port: PORT }],
    });
    const b = await start("b", {
      ...{ ...shared, localAs: 65002, routerId: "10.0.0.2", listen: `:${PORT}` },
      peers: [{ interface: "e0", as: 65001, port: PORT }],
    });
    await until("the session", () => isUp(a) && isUp(b), 20_000);
    expect(stateOf(a)).toMatchObject({ asn: 65002, address: expect.stringMatching(/^fe80:/) as unknown });
    expect(stateOf(a).families.toSorted()).toEqual(["ipv4-unicast", "ipv6-unicast"]);
    const [vip4, vip6] = [hostPrefix(ip("10.9.9.9")), hostPrefix(ip("2001:db8::9"))];
    a.speaker.setRoutes(new Map([vip4, vip6].map((it) => [it, {}])));
    const receivedBy = (of: BgpRuntime) => [...(of.speaker.received().get("e0")?.values() ?? [])];
    await until("both routes", () => receivedBy(b).length === 2);
    const ours = stateOf(a).localAddress;
    for (const route of receivedBy(b)) expect(JSON.stringify(route)).toContain(ours);

    lan.ip("a", "link set e0 down");
    // Waits for five seconds at most, and so not for the hold time of nine.
    await until("the end of the session", () => !isUp(a));
    expect(stateOf(a).withheld).toBe("interface e0 is down");
    lan.ip("a", "link set e0 up");
    await until("the session again", () => isUp(a) && isUp(b), 30_000);
  }, 60_000);

  it("moves when the address of its router changes (UNN-07)", async () => {
    const a = await start("a", {
      ...{ ...shared, localAs: 65001, routerId: "10.0.0.1" },
      peers: [{ interface: "e0", as: 65002, port: PORT }],
    });
    const b = await start("b", {
      ...{ ...shared, localAs: 65002, routerId: "10.0.0.2", listen: `:${PORT}` },
      peers: [{ interface: "e0", as: 65001, port: PORT }],
    });
    await until("the session", () => isUp(a) && isUp(b), 20_000);
    const first = stateOf(a).address;
    lan.ip("b", `addr add fe80::b2/64 dev e0 nodad`);
    lan.ip("b", `addr del ${first}/64 dev e0`);
    await until("the session with the new address", () => isUp(a) && stateOf(a).address === "fe80::b2", 40_000);
    expect(first).not.toBe("fe80::b2");
  }, 80_000);
});
