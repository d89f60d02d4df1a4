import { describe, expect, it } from "vitest";
import { Instant } from "../base/time.ts";
import type { Clock } from "../ports/clock.ts";
import { Probe } from "./probe.ts";

/** A clock that rings the one alarm when told to. */
function manualClock() {
  let [now, armed] = [0, null as number | null];
  let ring = (): void => {};
  const clock: Clock = {
    now: () => Instant.of(now),
    wallTime: () => new Date(0),
    alarm(onRing) {
      ring = onRing;
      return { set: (at) => void (armed = at), close: () => void (armed = null) };
    },
  };
  return {
    clock,
    armedAt: () => armed,
    async round(): Promise<void> {
      now = armed ?? now;
      ring();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

async function observe(answers: readonly (string | null)[], failureThreshold: number): Promise<string[]> {
  const time = manualClock();
  const states: string[] = [];
  const left = [...answers];
  const ask = async (): Promise<string | null> => left.shift() ?? null;
  const probe = new Probe({ url: "https://x/readyz", periodMillis: 200, failureThreshold, ask }, time.clock, () => {});
  probe.start();
  for (const _ of answers) {
    await time.round();
    states.push(probe.fact.state);
  }
  return states;
}

describe("the probe of the local API server", () => {
  it("is ready with the first success", async () => {
    expect(await observe([null], 3)).toEqual(["ready"]);
  });

  it("stays ready until the threshold of failures in a row is reached, and recovers with one success", async () => {
    expect(await observe([null, "x", "x", null, "x", "x", "x", null], 3)).toEqual([
      ...["ready", "ready", "ready", "ready", "ready", "ready", "failed", "ready"],
    ]);
  });

  it("is pending, not failed, while the first answers fail below the threshold", async () => {
    expect(await observe(["x", "x", "x"], 3)).toEqual(["pending", "pending", "failed"]);
  });

  it("asks again a period after the start of the last question", async () => {
    const time = manualClock();
    const probe = new Probe(
      { url: "u", periodMillis: 200, failureThreshold: 1, ask: async () => null },
      time.clock,
      () => {},
    );
    probe.start();
    await time.round();
    expect(time.armedAt()).toBe(200);
  });

  it("reports a failed server with what it asked and what came back", async () => {
    const time = manualClock();
    const ask = async (): Promise<string> => "connection refused";
    const probe = new Probe(
      { url: "https://127.0.0.1:6443/readyz", periodMillis: 1, failureThreshold: 1, ask },
      time.clock,
      () => {},
    );
    probe.start();
    await time.round();
    expect(probe.fact).toEqual({ state: "failed", detail: "https://127.0.0.1:6443/readyz: connection refused" });
  });
});
