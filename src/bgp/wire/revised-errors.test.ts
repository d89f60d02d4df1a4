import { describe, expect, it } from "vitest";
import { ATTRIBUTES } from "./attribute-table.ts";
import { describeFault, sectionOf } from "./faults.ts";
import { decodeMessage } from "./message.ts";
import type { UpdateContext } from "./path-attributes.ts";
import { EXTERNAL, INTERNAL, messageOf, octets, outcome, updateBody, updateOf } from "./test-support.ts";
import { wantsWithdrawal } from "./update.ts";

/*
 * RFC 7606 §7 with its kin as a table: what a malformed value of each attribute costs, by where the peer is. The words
 * are written down here a second time, from the RFCs, and held against the rows that the codec walks.
 */

const TWO_OCTET: UpdateContext = { ...EXTERNAL, fourOctetAs: false };
const TWO_OCTET_INTERNAL: UpdateContext = { ...INTERNAL, fourOctetAs: false };

interface Row {
  readonly name: string;
  readonly code: number;
  readonly flags: string;
  /** Values, in hexadecimal, that are malformed on a session with four-octet AS numbers, unless `twoOctet` says so. */
  readonly malformed: readonly string[];
  readonly twoOctet?: true;
  readonly internal: string;
  readonly external: string;
  readonly section: string;
}

const five = ["", "00", "000000", "0000000000"];
const TABLE: readonly Row[] = [
  {
    name: "ORIGIN",
    code: 1,
    flags: "40",
    malformed: ["", "0000", "03", "ff"],
    internal: "withdraw",
    external: "withdraw",
    section: "RFC 7606 §7.1",
  },
  {
    name: "AS_PATH",
    code: 2,
    flags: "40",
    malformed: ["02", "0200", "0201", "02010000fd", "05010000fde8", "02010000fde802", "02020000fde8"],
    internal: "withdraw",
    external: "withdraw",
    section: "RFC 7606 §7.2",
  },
  {
    name: "NEXT_HOP",
    code: 3,
    flags: "40",
    malformed: five,
    internal: "withdraw",
    external: "withdraw",
    section: "RFC 7606 §7.3",
  },
  {
    name: "MULTI_EXIT_DISC",
    code: 4,
    flags: "80",
    malformed: five,
    internal: "withdraw",
    external: "withdraw",
    section: "RFC 7606 §7.4",
  },
  {
    name: "LOCAL_PREF",
    code: 5,
    flags: "40",
    malformed: five,
    internal: "withdraw",
    external: "nothing",
    section: "RFC 7606 §7.5",
  },
  {
    name: "ATOMIC_AGGREGATE",
    code: 6,
    flags: "40",
    malformed: ["00", "0000"],
    internal: "discard",
    external: "discard",
    section: "RFC 7606 §7.6",
  },
  {
    name: "AGGREGATOR",
    code: 7,
    flags: "c0",
    malformed: ["", "fde80a000001", "0000fde80a00000100"],
    internal: "discard",
    external: "discard",
    section: "RFC 7606 §7.7",
  },
  {
    name: "AGGREGATOR from a two-octet peer",
    code: 7,
    flags: "c0",
    malformed: ["0000fde80a000001"],
    twoOctet: true,
    internal: "discard",
    external: "discard",
    section: "RFC 7606 §7.7",
  },
  {
    name: "COMMUNITIES",
    code: 8,
    flags: "c0",
    malformed: five,
    internal: "withdraw",
    external: "withdraw",
    section: "RFC 7606 §7.8",
  },
  {
    name: "ORIGINATOR_ID",
    code: 9,
    flags: "80",
    malformed: five,
    internal: "withdraw",
    external: "nothing",
    section: "RFC 7606 §7.9",
  },
  {
    name: "CLUSTER_LIST",
    code: 10,
    flags: "80",
    malformed: five,
    internal: "withdraw",
    external: "nothing",
    section: "RFC 7606 §7.10",
  },
  {
    name: "MP_REACH_NLRI",
    code: 14,
    flags: "80",
    malformed: ["", "00020110", "000201040a00000100", "0002010000", "00020101ff00"],
    internal: "reset",
    external: "reset",
    section: "RFC 7606 §7.11",
  },
  {
    name: "MP_UNREACH_NLRI",
    code: 15,
    flags: "80",
    malformed: ["", "0002", "00020181", "0002018020"],
    internal: "reset",
    external: "reset",
    section: "RFC 7606 §5.3",
  },
  {
    name: "EXTENDED COMMUNITIES",
    code: 16,
    flags: "c0",
    malformed: [...five, "0002fde800000064ff"],
    internal: "withdraw",
    external: "withdraw",
    section: "RFC 7606 §7.14",
  },
  {
    name: "AS4_PATH",
    code: 17,
    flags: "c0",
    malformed: ["", "02", "0200", "0201fa56", "05010000fde8", "02010000fde802"],
    twoOctet: true,
    internal: "discard",
    external: "discard",
    section: "RFC 6793 §6",
  },
  {
    name: "AS4_AGGREGATOR",
    code: 18,
    flags: "c0",
    malformed: ["", "fde80a000001", "0000fde80a00000100"],
    twoOctet: true,
    internal: "discard",
    external: "discard",
    section: "RFC 6793 §6",
  },
  {
    name: "IPV6 EXTENDED COMMUNITIES",
    code: 25,
    flags: "c0",
    malformed: ["", "00".repeat(19), "00".repeat(21)],
    internal: "withdraw",
    external: "withdraw",
    section: "RFC 7606 §7.15",
  },
  {
    name: "LARGE COMMUNITIES",
    code: 32,
    flags: "c0",
    malformed: ["", "00".repeat(11), "00".repeat(13)],
    internal: "withdraw",
    external: "withdraw",
    section: "RFC 8092 §6",
  },
  {
    name: "ONLY_TO_CUSTOMER",
    code: 35,
    flags: "c0",
    malformed: [...five, "00000000"],
    internal: "withdraw",
    external: "withdraw",
    section: "RFC 9234 §5",
  },
];

const hex = (value: number): string => value.toString(16).padStart(2, "0");
const attributeOf = (code: number, flags: string, value: string): string =>
  `${flags}${hex(code)}${hex(value.length / 2)}${value}`;
const MANDATORY: Readonly<Record<number, string>> = {
  1: "40010100",
  2: "40020602010000fde8",
  3: "4003040a000001",
  5: "40050400000064",
};

/** All that the context asks for, but not of this code, and then this attribute. */
function listWith(code: number, attribute: string, { external, fourOctetAs }: UpdateContext): string {
  const wanted = external ? [1, 2, 3] : [1, 2, 3, 5];
  const others = wanted
    .filter((one) => one !== code)
    .map((one) => (one === 2 && !fourOctetAs ? "4002040201fde8" : MANDATORY[one]!));
  // LOCAL_PREF from another AS is no mandatory attribute; it stands beside the others.
  return others.join("") + attribute;
}

/** "withdraw", "discard", "reset" or "nothing": the strongest of what became of it. */
function costOf(code: number, attribute: string, context: UpdateContext): string {
  const said = outcome(listWith(code, attribute, context), context);
  if (said.startsWith("reset")) return "reset";
  if (said === "ok") return "nothing";
  return said.includes("withdraw") ? "withdraw" : "discard";
}

describe("a malformed value of", () => {
  for (const { name, code, flags, malformed, twoOctet, internal, external, section } of TABLE) {
    const sessions = [
      ["of our own AS", twoOctet ? TWO_OCTET_INTERNAL : INTERNAL, internal],
      ["of another AS", twoOctet ? TWO_OCTET : EXTERNAL, external],
    ] as const;
    for (const [where, context, cost] of sessions) {
      it(`${name} from a peer ${where} costs: ${cost} (BGP-7606-2-02, BGP-7606-7-01)`, () => {
        for (const value of malformed) expect(costOf(code, attributeOf(code, flags, value), context), value).toBe(cost);
      });
    }

    it(`${name} is told with its name, its place and ${section} (BGP-7606-6-01)`, () => {
      const context = sessions[0][1];
      const list = listWith(code, attributeOf(code, flags, malformed[0]!), context);
      const decoded = decodeMessage(messageOf(2, updateBody(list, "20c6336407")), context);
      const fault = decoded.kind === "fault" ? decoded.fault : decoded.faults[0]!.fault;
      const words = describeFault(fault);
      expect(words).toContain(name.replace(" from a two-octet peer", ""));
      expect(sectionOf(fault).replace("§5.3", "§")).toBe(section.replace(/§7\.1[12]|§5\.3/, "§"));
      const at = Number(/at octet (\d+)/.exec(words)?.[1]);
      const valueLength = malformed[0]!.length / 2;
      expect(at).toBe(19 + 4 + octets(list).length - valueLength);
    });
  }

  it("every attribute of the codec's table is in this one", () => {
    expect(new Set(TABLE.map(({ code }) => code))).toEqual(new Set(ATTRIBUTES.map(({ code }) => code)));
  });
});

describe("flags that do not belong to an attribute", () => {
  for (const { name, code, flags, malformed, twoOctet } of TABLE.filter((row) => !row.name.includes("peer"))) {
    const isMp = code === 14 || code === 15;
    it(`cost the ${isMp ? "session" : "routes"}: ${name} (BGP-7606-3c-01, BGP-7606-5.3-02)`, () => {
      const context = twoOctet ? TWO_OCTET : EXTERNAL;
      const right = Number.parseInt(flags, 16);
      const partial = right === 0xc0 ? [] : [right | 0x20];
      for (const wrong of [...[0x00, 0x40, 0x80, 0xc0].filter((one) => one !== right), ...partial]) {
        const cost = costOf(code, attributeOf(code, hex(wrong), malformed.at(-1)!), context);
        expect(cost, hex(wrong)).toBe(isMp ? "reset" : "withdraw");
      }
    });
  }

  it("are not the four lowest, nor Extended Length, nor Partial of an optional transitive one (BGP-4271-4.3-04)", () => {
    expect(outcome("4f010100 40020602010000fde8 4003040a000001")).toBe("ok");
    expect(outcome("5001000100 40020602010000fde8 4003040a000001")).toBe("ok");
    expect(outcome("40010100 40020602010000fde8 4003040a000001 e00804fde80064")).toBe("ok");
  });
});

describe("several faults", () => {
  const mandatory = "40010100 40020602010000fde8 4003040a000001";

  it("cost what the strongest of them costs (BGP-7606-3h-01)", () => {
    expect(outcome(`${mandatory} 40060100 800403000000`)).toBe("discard 6, withdraw 4");
    expect(outcome(`${mandatory} 800403000000 800f020002`)).toMatch(/^reset 3\/9/);
    expect(outcome(`${mandatory} 800403000000`, EXTERNAL, "21c633640700")).toBe("reset 3/10");
  });

  it("of any number are kept in a bounded list that does not lose the strongest", () => {
    const list = `${mandatory}${"40060100".repeat(200)}800403000000`;
    const decoded = decodeMessage(messageOf(2, updateBody(list, "20c6336407")), EXTERNAL);
    if (decoded.kind === "fault") throw new Error("reset");
    expect(decoded.faults.length).toBeLessThan(70);
    expect(wantsWithdrawal(decoded.faults)).toBe(true);
  });

  it("leave the routes to be found, announced and withdrawn alike (BGP-7606-2-01, BGP-4271-9-03)", () => {
    const update = updateOf(`${mandatory} 800403000000`.replaceAll(" ", ""), EXTERNAL, "20c6336407", "20c6336408");
    expect(update).toMatchObject({ nlri: ["198.51.100.7/32"], withdrawn: ["198.51.100.8/32"] });
  });

  it("in an UPDATE with routes of a family that is none of ours cost no session (BGP-7606-5.2-01)", () => {
    const foreign = "800e0b 0002 80 03 ffffff 00 0a0a".replace("0b", "0a");
    expect(outcome(`${foreign} 40010103`, EXTERNAL, "")).toBe("withdraw 1");
    expect(outcome("800e08 0002 80 03 ffffff 00 40010103", EXTERNAL, "")).toBe("reset 3/6 40010103");
  });

  it("discarded attributes are gone, and the others are there (BGP-7606-2-02)", () => {
    const { attributes } = updateOf(`${mandatory} 40060100 800404000000ff`);
    expect(attributes).not.toHaveProperty("atomicAggregate");
    expect(attributes).toMatchObject({ med: 255, nextHop: "10.0.0.1" });
  });
});
