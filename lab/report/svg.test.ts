import { describe, expect, it } from "vitest";
import { clientViewSvg, type Plot } from "./svg.ts";

const plot = (overrides: Partial<Plot> = {}): Plot => ({
  title: "tour <frr & real>",
  targets: ["web"],
  nodes: ["n1", "n2"],
  attempts: [
    { target: "web", startedAt: 1000, tookMillis: 1, node: "n1", error: null, wasReset: false },
    { target: "web", startedAt: 1005, tookMillis: 250, node: null, error: "no answer", wasReset: false },
    { target: "web", startedAt: 1400, tookMillis: 1, node: "n2", error: null, wasReset: false },
  ],
  events: [{ atMillis: 5, event: "n1 loses power" }],
  startedAt: 1000,
  window: { from: 1000, to: 2000 },
  ...overrides,
});

describe("the drawing", () => {
  it("names from outside cannot break the document", () => {
    expect(clientViewSvg(plot())).toContain("tour &lt;frr &amp; real&gt;");
  });

  it("failures are red, and each node that answered has its own colour", () => {
    const bars = [...clientViewSvg(plot()).matchAll(/height="6" fill="(#\w+)"/g)].map(([, colour]) => colour);
    expect(bars).toEqual(["#0072b2", "#d1101f", "#e69f00"]);
  });

  it("an event is a line at its time and an entry in the list", () => {
    const svg = clientViewSvg(plot());
    expect(svg).toContain("1. 0.0 s n1 loses power");
    expect(svg).toMatch(/<line x1="194.9"/); // 5 of 1,000 ms on 980 px, right of the labels
  });

  it("the time axis has round figures, and not too many of them", () => {
    const long = clientViewSvg(plot({ window: { from: 1300, to: 31_000 } }));
    const labels = [...long.matchAll(/fill="#444" text-anchor="middle">([^<]+)</g)].map(([, label]) => label);
    expect(labels).toEqual(["5.0 s", "10.0 s", "15.0 s", "20.0 s", "25.0 s", "30.0 s"]);
  });

  it("every element is closed, so that any viewer takes it", () => {
    const svg = clientViewSvg(plot());
    const opened = [...svg.matchAll(/<(\w+)[^>]*[^/]>/g)].map(([, name]) => `${name}`);
    const closed = [...svg.matchAll(/<\/(\w+)>/g)].map(([, name]) => `${name}`);
    expect(opened.toSorted()).toEqual(closed.toSorted());
  });
});
