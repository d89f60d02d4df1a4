import { API, GOOD_MOOD } from "./api.ts";
import type { Chance } from "./chance.ts";
import { GOOD } from "./links.ts";
import type { Simulation } from "./simulation.ts";

/** Something that goes wrong for a while. `begin` does it, and returns what ends it. */
interface Fault {
  readonly name: string;
  readonly weight: number;
  readonly needsRouters?: boolean;
  readonly begin: (sim: Simulation, chance: Chance) => Begun;
}

interface Begun {
  /** For the trace. */
  readonly what: string;
  readonly millis: number;
  readonly end?: () => void;
}

const FAULTS: readonly Fault[] = [
  { name: "node and API apart", weight: 4, begin: apartFromApi },
  { name: "node and router apart", weight: 2, needsRouters: true, begin: apartFromRouter },
  { name: "node alone", weight: 2, begin: alone },
  { name: "pause", weight: 5, begin: pause },
  { name: "crash", weight: 3, begin: crash },
  { name: "power loss", weight: 2, begin: powerLoss },
  { name: "stop", weight: 2, begin: stop },
  { name: "API down", weight: 1, begin: apiDown },
  { name: "API hangs", weight: 2, begin: apiHangs },
  { name: "API errors", weight: 3, begin: apiErrors },
  { name: "watches break", weight: 2, begin: watchesBreak },
  { name: "compaction", weight: 2, begin: compaction },
  { name: "slow network", weight: 2, begin: slowNetwork },
  { name: "router restarts", weight: 1, needsRouters: true, begin: routerRestarts },
  { name: "kernel refuses", weight: 2, begin: kernelRefuses },
  { name: "link down", weight: 1, begin: linkDown },
  { name: "clock step", weight: 1, begin: clockStep },
];

/** Orders faults within the next `millis`, all of which are over by then. */
export function orderFaults(sim: Simulation, chance: Chance, millis: number): void {
  const faults = FAULTS.filter(({ needsRouters }) => needsRouters !== true || sim.routers.length > 0);
  const total = faults.reduce((sum, { weight }) => sum + weight, 0);
  const count = chance.count(3, 12);
  for (let i = 0; i < count; i++) {
    let draw = chance.between(0, total);
    const fault = faults.find(({ weight }) => (draw -= weight) < 0) ?? faults[0]!;
    const own = chance.fork(`${fault.name} ${i}`);
    sim.time.after(chance.between(0, 0.85 * millis), () => {
      const { what, millis: lasts, end } = fault.begin(sim, own);
      sim.trace.say("", `FAULT ${fault.name}: ${what}${end ? ` for ${(lasts / 1000).toFixed(1)} s` : ""}`);
      if (end)
        sim.time.after(lasts, () => {
          sim.trace.say("", `over: ${fault.name}: ${what}`);
          end();
        });
    });
  }
}

/** From half of a Lease's duration to two of them. */
const aboutLease = (sim: Simulation, chance: Chance): number =>
  chance.between(0.4, 2) * sim.times.leaseDurationSeconds * 1000;

function apartFromApi(sim: Simulation, chance: Chance): Begun {
  const node = sim.pickNode(chance);
  sim.links.cut(node.name, API);
  return { what: node.name, millis: aboutLease(sim, chance), end: () => sim.links.heal(node.name, API) };
}

function apartFromRouter(sim: Simulation, chance: Chance): Begun {
  const [node, router] = [sim.pickNode(chance), chance.pick(sim.routers)];
  sim.cutRouter(node.name, router.name);
  return {
    what: `${node.name} ${router.name}`,
    millis: chance.between(500, 12_000),
    end: () => sim.healRouter(node.name, router.name),
  };
}

function alone(sim: Simulation, chance: Chance): Begun {
  const node = sim.pickNode(chance);
  sim.isolate(node);
  return { what: node.name, millis: aboutLease(sim, chance), end: () => sim.rejoin(node) };
}

function pause(sim: Simulation, chance: Chance): Begun {
  const node = sim.pickNode(chance);
  sim.pause(node);
  return { what: node.name, millis: aboutLease(sim, chance), end: () => sim.resume(node) };
}

function crash(sim: Simulation, chance: Chance): Begun {
  const node = sim.pickNode(chance);
  sim.crash(node);
  return { what: node.name, millis: chance.between(50, 8_000), end: () => sim.startDaemon(node) };
}

function powerLoss(sim: Simulation, chance: Chance): Begun {
  const node = sim.pickNode(chance);
  sim.cutPower(node);
  return { what: node.name, millis: chance.between(1_000, 15_000), end: () => sim.restorePower(node) };
}

function stop(sim: Simulation, chance: Chance): Begun {
  const node = sim.pickNode(chance);
  sim.stopDaemon(node);
  return { what: node.name, millis: chance.between(6_000, 10_000), end: () => sim.startDaemon(node) };
}

function apiDown(sim: Simulation, chance: Chance): Begun {
  sim.api.setDown(true);
  return { what: "all", millis: chance.between(300, 12_000), end: () => sim.api.setDown(false) };
}

function apiHangs(sim: Simulation, chance: Chance): Begun {
  sim.api.hang(true);
  return { what: "all", millis: chance.between(300, 12_000), end: () => sim.api.hang(false) };
}

function apiErrors(sim: Simulation, chance: Chance): Begun {
  const [refuses, losesAnswer] = [chance.between(0, 0.6), chance.between(0, 0.3)];
  const [hangs, slow] = [chance.between(0, 0.2), chance.between(0, 0.4)];
  sim.api.mood = { refuses, losesAnswer, hangs, slow, slowMillis: chance.between(500, 6_000) };
  return { what: "all", millis: chance.between(3_000, 20_000), end: () => (sim.api.mood = GOOD_MOOD) };
}

function watchesBreak(sim: Simulation, chance: Chance): Begun {
  const share = chance.between(0.2, 1);
  if (chance.is(0.5)) sim.api.breakWatches(share);
  else sim.api.closeWatches(share);
  return { what: `${Math.round(share * 100)} %`, millis: 0 };
}

function compaction(sim: Simulation, chance: Chance): Begun {
  sim.api.breakWatches(chance.between(0.5, 1));
  // While they are away something changes, and what they would resume from is gone.
  sim.time.after(50, () => {
    sim.cluster.change(chance);
    sim.api.store.compact();
  });
  return { what: "all", millis: 0 };
}

function slowNetwork(sim: Simulation, chance: Chance): Begun {
  const slowMillis = chance.between(200, 900);
  sim.links.quality = { delayMillis: [1, chance.between(5, 150)], slowShare: chance.between(0, 0.2), slowMillis };
  return { what: "all", millis: chance.between(4_000, 20_000), end: () => (sim.links.quality = GOOD) };
}

function routerRestarts(sim: Simulation, chance: Chance): Begun {
  const router = chance.pick(sim.routers);
  sim.crashRouter(router);
  return { what: router.name, millis: chance.between(200, 8_000), end: () => sim.startRouter(router) };
}

function kernelRefuses(sim: Simulation, chance: Chance): Begun {
  const { name, kernel } = sim.pickNode(chance);
  const kind = chance.pick(["read", "add", "extend"] as const);
  kernel.refuses.add(kind);
  return { what: `${name} ${kind}`, millis: chance.between(300, 8_000), end: () => void kernel.refuses.delete(kind) };
}

function linkDown(sim: Simulation, chance: Chance): Begun {
  const node = sim.pickNode(chance);
  node.kernel.setLink(false);
  sim.isolate(node);
  const end = (): void => {
    sim.rejoin(node);
    node.kernel.setLink(true);
  };
  return { what: node.name, millis: chance.between(200, 10_000), end };
}

function clockStep(sim: Simulation, chance: Chance): Begun {
  const { host } = sim.pickNode(chance).kernel;
  const millis = chance.between(-7.2e6, 7.2e6);
  host.wallErrorMillis += millis;
  return { what: `${host.name} ${Math.round(millis / 1000)} s`, millis: 0 };
}
