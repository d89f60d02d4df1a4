import { describe, expect, it } from "vitest";
import { type Candidate, highest, rankOf } from "./rendezvous.ts";

const KEYS = Array.from({ length: 6_000 }, (_, i) => `10.${i >> 8}.${i & 255}.1`);
const node = (name: string, weight = 1): Candidate => ({ node: name, weight });
const owners = (...nodes: Candidate[]): (string | undefined)[] => KEYS.map((key) => highest(key, nodes)?.node);
const share = (all: (string | undefined)[], name: string): number =>
  all.filter((owner) => owner === name).length / all.length;

describe("rendezvous hashing", () => {
  it("gives each of equal nodes its part, whatever order they are named in", () => {
    const all = owners(node("n1"), node("n2"), node("n3"));
    for (const name of ["n1", "n2", "n3"]) expect(share(all, name)).toBeCloseTo(1 / 3, 1);
    expect(owners(node("n3"), node("n1"), node("n2"))).toEqual(all);
  });

  it("moves nothing but what the lost node had, and gives exactly that back", () => {
    const before = owners(node("n1"), node("n2"), node("n3"));
    const without = owners(node("n1"), node("n3"));
    before.forEach((owner, at) => {
      if (owner !== "n2") expect(without[at]).toBe(owner);
    });
    expect(new Set(without.filter((_, at) => before[at] === "n2"))).toEqual(new Set(["n1", "n3"]));
  });

  it("takes only its share for a new node, and from all others", () => {
    const before = owners(node("n1"), node("n2"), node("n3"));
    const after = owners(node("n1"), node("n2"), node("n3"), node("n4"));
    const moved = KEYS.map((_, at) => at).filter((at) => before[at] !== after[at]);
    expect(new Set(moved.map((at) => after[at]))).toEqual(new Set(["n4"]));
    expect(new Set(moved.map((at) => before[at]))).toEqual(new Set(["n1", "n2", "n3"]));
    expect(moved.length / KEYS.length).toBeCloseTo(1 / 4, 1);
  });

  it("shares in proportion to the weights", () => {
    const all = owners(node("n1", 1), node("n2", 3));
    expect(share(all, "n2")).toBeCloseTo(3 / 4, 1);
  });

  it("gives a node of weight 0 nothing, until it is alone", () => {
    expect(share(owners(node("n1", 0), node("n2")), "n1")).toBe(0);
    expect(share(owners(node("n1", 0)), "n1")).toBe(1);
  });

  it("gives a change of weight only to the node whose weight rose", () => {
    const before = owners(node("n1"), node("n2"), node("n3"));
    const after = owners(node("n1"), node("n2", 2), node("n3"));
    expect(new Set(after.filter((owner, at) => owner !== before[at]))).toEqual(new Set(["n2"]));
  });

  it("knows nobody without candidates", () => {
    expect(highest("10.0.0.1", [])).toBe(null);
  });
});

describe("the order of nodes for a key", () => {
  it("gives each node another place, the same ones whoever asks, and others for another key", () => {
    const names = ["n1", "n2", "n3", "n4"];
    const places = (key: string) => names.map((own) => rankOf(key, own, names));
    for (const key of ["a", "b", "c"]) expect(places(key).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    expect(new Set(Array.from({ length: 50 }, (_, at) => places(`key-${at}`).join())).size).toBeGreaterThan(10);
    expect(rankOf("a", "n9", [])).toBe(0);
  });
});
