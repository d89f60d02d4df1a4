import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { problemText } from "./problem.ts";
import { readFile } from "./read-file.ts";

/** Problems as lines; none when the text is accepted. */
function problems(text: string): string[] {
  const read = readFile({ path: "v.yaml", text });
  return "problems" in read ? read.problems.map(problemText) : [];
}

describe("the configuration file", () => {
  it.each([
    ["nothing", ""],
    ["only comments", "# mode: bgp\n"],
    ["a section with every key commented out", "bgp:\n  # localAs: 1\nmode: arp\n"],
    ["peers as text and as a map", "bgp:\n  peers:\n    - 10.0.0.1:65001\n    - {address: fd00::1, as: 1}\n"],
    ["JSON", '{"mode":"bgp","bgp":{"localAs":1}}'],
    ["an anchor", "bgp:\n  peers:\n    - &a {address: 10.0.0.1, as: 1}\nmode: bgp\n"],
  ])("may hold %s", (_, text) => {
    expect(problems(text)).toEqual([]);
  });

  it.each([
    ["an unknown key", "mode: bgp\nbpg: {}\n", 'v.yaml:2:1: bpg: there is no key "bpg" here (did you mean bgp?)'],
    ["an unknown key below", "arp:\n  interval: 5\n", 'v.yaml:2:3: arp.interval: there is no key "interval" here'],
    ["a key of kube-vip's file", "enableBGP: true\n", 'v.yaml:1:1: enableBGP: there is no key "enableBGP" here'],
    [
      "an unknown key of a peer",
      "bgp:\n  peers:\n    - address: 10.0.0.1\n      asn: 1\n      as: 1\n",
      'v.yaml:4:7: bgp.peers[0].asn: there is no key "asn" here (did you mean as?)',
    ],
    [
      "a wrong type",
      "controlPlane:\n  port: six\n",
      "v.yaml:2:9: controlPlane.port: must be a whole number from 1 to 65535",
    ],
    [
      "a number out of range",
      "controlPlane: {port: 1e999}\n",
      "v.yaml:1:22: controlPlane.port: must be a whole number",
    ],
    ["a YAML 1.1 boolean", "services:\n  enabled: yes\n", "v.yaml:2:12: services.enabled: must be true or false"],
    ["a key without a value", "mode:\n", "v.yaml:1:6: mode: has no value: must be bgp, arp, auto or table"],
    ["a value for a section", "bgp: 5\n", "v.yaml:1:6: bgp: must be a map of keys and values"],
    ["a list for a section", "bgp: [1]\n", "v.yaml:1:6: bgp: must be a map of keys and values"],
    ["a list", "- a\n", "v.yaml:1:1: must be a map of keys and values (see docs/config.md)"],
    ["a word", "bgp\n", "v.yaml:1:1: must be a map of keys and values (see docs/config.md)"],
    ["a key twice", "mode: bgp\nmode: arp\n", "v.yaml:2:1: Map keys must be unique"],
    ["two documents", "mode: bgp\n---\nmode: arp\n", "v.yaml:2:1: Source contains multiple documents"],
    ["broken YAML", "mode: [bgp\n", "v.yaml:2:1: Flow sequence"],
    ["an unknown alias", "mode: *x\n", "Unresolved alias"],
    ["an unknown tag", "mode: !run bgp\n", "v.yaml:1:7: Unresolved tag"],
    ["a prototype", "__proto__: {mode: bgp}\n", 'v.yaml:1:1: __proto__: there is no key "__proto__" here'],
    ["a constructor", "constructor: 1\n", 'v.yaml:1:1: constructor: there is no key "constructor" here'],
    ["a peer that is a number", "bgp: {peers: [5]}\n", "v.yaml:1:15: bgp.peers[0]: must be a map, or text"],
    ["a peer without AS", "bgp: {peers: [{address: 10.0.0.1}]}\n", "v.yaml:1:15: bgp.peers[0].as: is missing"],
    [
      "two kinds of next hop",
      "bgp: {peers: [{address: 10.0.0.1, as: 1, nextHop: {interface: eth0, ipv4: 10.0.0.2}}]}\n",
      "v.yaml:1:51: bgp.peers[0].nextHop: give either interface, or ipv4 and ipv6",
    ],
  ])("may not hold %s", (_, text, problem) => {
    expect(problems(text).join("\n")).toContain(problem);
  });

  it.each([
    ["an alias", "{address: 10.0.0.1, as: 1, password: *geheim}", "Unresolved alias"],
    ["a tag", "{address: 10.0.0.1, as: 1, password: !geheim x}", "Unresolved tag"],
    ["a tag of its own", "{address: 10.0.0.1, as: 1, password: !<geheim}", ""],
    ["a block", "{address: 10.0.0.1, as: 1}\npassword: >geheim", "Block scalar header"],
    ["a block inside", "\n      address: 10.0.0.1\n      password: >geheim\n      as: 1", "Block scalar header"],
    ["an escape", '{address: 10.0.0.1, as: 1, password: "\\geheim"}', "Invalid escape sequence"],
    ["a part of its key", "{address: 10.0.0.1, as: 1, password:geheim}", "needs a blank after the colon"],
    ["a part of a misspelt key", "{address: 10.0.0.1, as: 1, pasword:geheim}", 'no key "pasword" here'],
  ])("does not have a password repeated that is taken for %s", (_, peer, what) => {
    const found = problems(`bgp:\n  peers:\n    - ${peer}\n`).join("\n");
    expect(found).toContain(what);
    expect(found).not.toMatch(/geheim|^$/);
  });

  it("with a bomb of aliases is refused at once", () => {
    const levels = Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [${i === 0 ? "x" : `*a${i - 1},*a${i - 1}`}]`);
    expect(problems(levels.join("\n"))).toEqual([expect.stringMatching(/^v\.yaml: cannot be read as YAML/)]);
  });
  it("nested without end is refused", () => {
    expect(problems(`bgp: ${"[".repeat(100_000)}`)).not.toEqual([]);
    expect(problems(`bgp: ${"{a: ".repeat(20_000)}1${"}".repeat(20_000)}`)).not.toEqual([]);
  });
  it("of megabytes is refused unread", () => {
    expect(problems("#".repeat(10_000_000))).toEqual(["v.yaml: is longer than 262144 characters"]);
  });
  it("a value that a flag hides is judged all the same", () => {
    expect(problems("log: {level: loud}\n")).toEqual([expect.stringContaining("must be debug, info, warn or error")]);
  });
  it("whatever the text is, is accepted or refused", () => {
    const word = fc.constantFrom(
      "bgp",
      "peers",
      "mode",
      ": ",
      "- ",
      "\n",
      "  ",
      "{",
      "}",
      "[",
      "]",
      "&a",
      "*a",
      "!!str",
      "'",
      '"',
      "|",
      "#",
      "0",
      "~",
      "?",
      "\t",
      "\0",
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), (words) => void problems(words.join(""))),
      { numRuns: 1000 },
    );
  });
});
