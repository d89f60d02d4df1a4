import { describe, expect, it } from "vitest";
import { didYouMean, nearest } from "./nearest.ts";
import { parseBool, parseText, printText, splitList } from "./text.ts";

describe("text of settings", () => {
  it.each(["1", "t", "T", "TRUE", "true", "True"])("%s is true, as for Go", (text) => {
    expect(parseBool(text)).toBe(true);
  });
  it.each(["0", "f", "F", "FALSE", "false", "False"])("%s is false, as for Go", (text) => {
    expect(parseBool(text)).toBe(false);
  });
  it.each(["yes", "no", "on", "off", "tRUE", "2", " true", ""])("%j is no boolean, as for Go", (text) => {
    expect(parseBool(text)).toBeUndefined();
  });
  it("a list is trimmed and its empty elements are skipped", () => {
    expect(splitList(" a , ,b,")).toEqual(["a", "b"]);
  });
  it.each([
    ["integer", "12", 12],
    ["integer", "-4", -4],
    ["integer", "1.5", undefined],
    ["integer", "0x10", undefined],
    ["integer", "1e3", undefined],
    ["integer", "99999999999999999999", undefined],
    ["number", "0.25", 0.25],
    ["number", "Infinity", undefined],
    ["integers", "24,64", [24, 64]],
    ["integers", "24,x", undefined],
    ["json", '{"a":"b"}', { a: "b" }],
    ["json", "5", undefined],
    ["json", "{", undefined],
    ["level", "-4", "debug"],
    ["level", "0", "info"],
    ["level", "4", "warn"],
    ["level", "5", "warn"],
    ["level", "8", "error"],
    ["level", "DEBUG", "debug"],
  ] as const)("%s %j reads as %j", (form, text, value) => {
    expect(parseText(form, text)).toEqual(value);
  });
  it("what a form prints reads as the same value", () => {
    expect(parseText("list", printText("list", ["a", "b"]))).toEqual(["a", "b"]);
    expect(parseText("number", printText("number", 0.2))).toBe(0.2);
    expect(parseText("json", printText("json", { a: "," }))).toEqual({ a: "," });
  });
});

describe("the nearest name", () => {
  it.each([
    ["vip_adress", "vip_address"],
    ["bgp_peer", "bgp_peers"],
    ["BGP_AS", "bgp_as"],
    ["svc_enalbe", "svc_enable"],
  ])("of %s is %s", (word, name) => {
    expect(nearest(word, ["vip_address", "bgp_peers", "bgp_as", "svc_enable", "bgp_routerid"])).toBe(name);
  });
  it("is none when nothing is near", () => {
    expect(nearest("completely", ["vip_address"])).toBeNull();
    expect(didYouMean("completely", ["vip_address"])).toBe("");
  });
  it("of a very long word is found without effort", () => {
    expect(nearest("x".repeat(1_000_000), ["vip_address"])).toBeNull();
  });
});
