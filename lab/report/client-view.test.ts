import { describe, expect, it } from "vitest";
import { type Attempt, figuresOf, stretchesOf } from "./client-view.ts";

const attempt = (startedAt: number, node: string | null, wasReset = false): Attempt => ({
  target: "web",
  startedAt,
  tookMillis: node === null ? 250 : 1,
  node,
  error: node === null ? "no answer" : null,
  wasReset,
});

describe("what the client saw", () => {
  const window = { from: 0, to: 100 };

  it("the gap is the longest time between two successes, whatever failed in between", () => {
    const attempts = [attempt(5, "n1"), attempt(10, null), attempt(60, null), attempt(70, "n2"), attempt(95, "n2")];
    expect(figuresOf(attempts, "web", window)).toEqual({
      attempts: 5,
      failed: 2,
      errors: { "no answer": 2 },
      resets: 0,
      gapMillis: 65,
      impairedMillis: 50,
      answeredBy: { n1: 1, n2: 2 },
    });
  });

  it("a client that never gets through has a gap as long as the window", () => {
    expect(figuresOf([attempt(5, null), attempt(50, null)], "web", window).gapMillis).toBe(100);
    expect(figuresOf([], "web", window).gapMillis).toBe(100);
  });

  it("an outage that lasts to the end of the window counts in full", () => {
    expect(figuresOf([attempt(0, "n1"), attempt(20, "n1"), attempt(25, null)], "web", window).gapMillis).toBe(80);
  });

  it("failures that alternate with successes impair the whole time and make no gap", () => {
    const attempts = Array.from({ length: 20 }, (_, i) => attempt(i * 5, i % 2 === 0 ? "n1" : null));
    const figures = figuresOf(attempts, "web", window);
    expect(figures.gapMillis).toBe(10);
    expect(figures.impairedMillis).toBe(90);
  });

  it("attempts may come in any order, and those of other targets and times are left out", () => {
    const attempts = [
      attempt(50, "n1"),
      attempt(25, "n1"),
      { ...attempt(30, null), target: "other" },
      attempt(140, null),
    ];
    expect(figuresOf(attempts, "web", window)).toMatchObject({ attempts: 2, failed: 0, gapMillis: 50 });
  });

  it("a connection that was reset and then went well is no failure, but it is counted", () => {
    expect(figuresOf([attempt(5, "n1", true), attempt(9, null, true)], "web", window)).toMatchObject({
      failed: 1,
      resets: 1,
    });
  });
});

describe("stretches", () => {
  it("attempts of one node near each other make one stretch, also when another node answered in between", () => {
    const attempts = [attempt(0, "n1"), attempt(5, "n2"), attempt(10, "n1"), attempt(200, "n1"), attempt(205, null)];
    expect(stretchesOf(attempts, "web", 50)).toEqual([
      { node: "n1", from: 0, to: 10 },
      { node: "n2", from: 5, to: 5 },
      { node: "n1", from: 200, to: 200 },
      { node: null, from: 205, to: 205 },
    ]);
  });
});
