import pino from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { KubeUnreachable } from "../kube/client.ts";
import { serviceKey } from "../vip/facts.ts";
import type { ServiceNotice } from "../vip/service-notices.ts";
import { type EventRecord, EventWriter } from "./event-writer.ts";

let clock: VirtualClock;
let written: EventRecord[];
let fails: boolean;
let writer: EventWriter;

beforeEach(() => {
  clock = new VirtualClock();
  [written, fails] = [[], false];
  const write = async (event: EventRecord): Promise<void> => {
    if (fails) throw new KubeUnreachable("no answer");
    written.push(event);
  };
  writer = new EventWriter({ api: { write }, clock, log: pino({ level: "silent" }) });
});

const notice = (name: string, message: string, reason: ServiceNotice["reason"] = "Announced"): ServiceNotice => ({
  service: { key: serviceKey("default", name), namespace: "default", name, uid: `uid-${name}` },
  ...{ reason, message },
});
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
};
const tell = async (...notices: ServiceNotice[]): Promise<void> => {
  writer.tell(notices);
  await settle();
};
const pass = async (seconds: number): Promise<void> => {
  for (let second = 0; second < seconds; second++) {
    clock.advance(1_000);
    await settle();
  }
};

describe("Events on Services", () => {
  it("are written when there is something to say, and not again while it stays so", async () => {
    await tell(notice("a", "10.0.0.1 by node n1 (BGP)"));
    await tell(notice("a", "10.0.0.1 by node n1 (BGP)"));
    await pass(120);
    expect(written).toMatchObject([{ reason: "Announced", type: "Normal", count: 1, namespace: "default" }]);
    await tell(notice("b", "10.0.0 is no address", "NotAnnounced"), notice("a", "10.0.0.1 by node n1 (BGP)"));
    expect(written.slice(1)).toMatchObject([{ reason: "NotAnnounced", type: "Warning" }]);
  });

  it("K4: a thousand changes of one Service make few: one Event, counted, at most once a minute", async () => {
    for (let change = 0; change < 1_000; change++) {
      await tell(...(change % 2 === 0 ? [notice("a", "10.0.0.1 by node n1")] : []));
      clock.advance(100);
      await settle();
    }
    await pass(120);
    expect(written.length).toBeLessThanOrEqual(4);
    expect(new Set(written.map(({ name }) => name)).size).toBe(1);
    expect(written.at(-1)).toMatchObject({ count: 500 });
  });

  it("K4: a thousand Services at once are told of one after the other, none twice", async () => {
    await tell(...Array.from({ length: 1_000 }, (_, at) => notice(`s${at}`, "announced")));
    expect(written).toHaveLength(20);
    await pass(100);
    expect(written).toHaveLength(120);
    await pass(1_000);
    expect(written).toHaveLength(1_000);
    expect(new Set(written.map(({ name }) => name)).size).toBe(1_000);
  });

  it("that cannot be written are let go, and the next ones are tried", async () => {
    fails = true;
    await tell(notice("a", "announced"));
    fails = false;
    await pass(120);
    expect(written).toEqual([]);
    await tell(notice("a", "announced elsewhere"));
    expect(written).toHaveLength(1);
  });

  it("of a Service that is created anew under its name are of the new one", async () => {
    const old = notice("a", "announced");
    await tell(old);
    await tell({ ...old, service: { ...old.service, uid: "another" } });
    expect(written.map(({ service, count }) => [service.uid, count])).toEqual([
      ["uid-a", 1],
      ["another", 1],
    ]);
  });
});
