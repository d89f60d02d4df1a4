import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ip, type Ipv4 } from "../../src/addr/ip.ts";
import { Instant } from "../../src/base/time.ts";
import { AdjRibIn } from "../../src/bgp/rib/adj-rib-in.ts";
import { DesiredRoutes } from "../../src/bgp/rib/desired-routes.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import { decodeMessage } from "../../src/bgp/wire/message.ts";
import type { Bench, Measure } from "./measure.ts";
import { SESSION } from "./mixes.ts";
import { drain, peer, table } from "./pack.ts";

/** So many of a thing are made: what the collector keeps of other things does not count for much then. */
const COPY_COUNT = 8;

/** Octets that one result of `build` keeps alive. */
function kept(collect: () => void, build: () => unknown): number {
  const used = (): number => {
    for (let i = 0; i < 3; i++) collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const built: unknown[] = [];
  const before = used();
  for (let i = 0; i < COPY_COUNT; i++) built.push(build());
  const after = used();
  // They must not be collected before they were measured.
  if (built.includes(null)) throw new Error("nothing was built");
  return (after - before) / COPY_COUNT;
}

export const memory: Bench = {
  name: "memory",
  about: "what 10,000 routes keep alive: the table, each peer that is told, and each peer that announces them",
  run(say) {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const measures: Measure[] = [];
    const measure = (name: string, most: number, build: () => unknown): void => {
      build(); // code and caches are not counted
      const value = kept(collect, build) / 1024 / 1024;
      measures.push({ name, value, unit: "MiB", bound: { kind: "at most", value: most } });
    };
    for (const family of [4, 6] as const) {
      say(`IPv${family}`);
      const wanted = table(family, 16);
      const ready = new DesiredRoutes(wanted);
      measure(`table of 10,000 IPv${family} host routes`, 4, () => new DesiredRoutes(wanted));
      measure(`each peer that was told of them, IPv${family}`, 3, () => {
        const rib = peer();
        rib.setDesired(ready);
        drain(rib);
        return rib;
      });
      const source = peer();
      source.setDesired(ready);
      const messages = drain(source);
      measure(`each peer that announced them, IPv${family}`, 6, () => {
        const context = { ...SESSION, localAsn: Asn.of(64_513), localAddress: ip("10.0.0.9") as Ipv4 };
        const rib = new AdjRibIn(context);
        for (const octets of messages) {
          const decoded = decodeMessage(octets, context);
          if (decoded.kind !== "message" || decoded.message.type !== "update") throw new Error("bad message");
          rib.apply({ update: decoded.message, faults: decoded.faults }, Instant.of(0));
        }
        if (rib.routes.size !== wanted.size) throw new Error(`${rib.routes.size} routes`);
        return rib;
      });
    }
    return { kind: "measured", measures };
  },
};
