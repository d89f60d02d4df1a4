/** How binding a row is: an RFC's must, its should, its may, what other speakers do, and rules of our own. */
export type Level = "M" | "S" | "O" | "I" | "P";

export interface Row {
  readonly id: string;
  readonly level: Level;
}

/** One document, and the rows that come from it. */
export interface Source {
  readonly name: string;
  /** The document's own title; empty where there is none. */
  readonly title: string;
  readonly rows: readonly Row[];
}

/**
 * The checklist: every row is one behaviour to implement and to test. An id is its document's prefix, a section, and a
 * number; what a row demands is told by the titles of the tests that name it.
 */
const CHECKLIST: readonly {
  readonly prefix: string;
  readonly name: string;
  readonly title: string;
  readonly rows: Partial<Record<Level, string>>;
}[] = [
  {
    prefix: "BGP-4271",
    name: "RFC 4271",
    title: "A Border Gateway Protocol 4 (BGP-4)",
    rows: {
      M: "4.1-01 4.1-02 6.1-01 6.1-02 6.1-03 6.1-04 6.1-05 6-01 6-02 4.2-01 4.2-02 4.2-03 4.2-04 6.2-01 6.2-02 6.2-03 6.2-04 6.2-05 6.2-06 6.2-08 4.3-01 4.3-02 4.3-03 4.3-04 4.3-05 4.3-06 4.3-07 6.3-02 9-01 9-02 5-01 5-02 5-03 5-05 5.1.1-01 5.1.2-01 5.1.2-02 5.1.2-03 9.1.2-01 5.1.3-01 5.1.3-02 5.1.3-03 5.1.4-01 5.1.5-01 5.1.7-01 6.3-03 6.3-04 8-01 8-02 8-04 8-05 8-06 8-07 8-08 8-09 8-10 8-13 6.8-01 6.8-02 6.8-03 6.8-04 6.8-05 10-01 10-02 10-03 10-04 10-05 10-08 6.7-01 6.4-01 9.1.2.2-01 9.2-01",
      S: "6.3-01 5-04 5.1.6-01 10-06 10-07 E-01",
      O: "5.1.2-04 6.3-05 8-11 8-12 9.1.2.2-02",
      I: "6.1-06",
      P: "4.1-03 4.1-04 6.1-07 6.2-07 4.2-05 4.2-06 9-03 8-03 8-14 6.8-06 6.8-07 10-09 4.5-01 4.5-02",
    },
  },
  {
    prefix: "BGP-1997",
    name: "RFC 1997",
    title: "BGP Communities Attribute",
    rows: {
      M: "1-01 2-01",
      P: "2-02",
    },
  },
  {
    prefix: "BGP-2385",
    name: "RFC 2385",
    title: "Protection of BGP Sessions via the TCP MD5 Signature Option",
    rows: {
      M: "2-01 2-02",
      P: "2-03",
    },
  },
  {
    prefix: "BGP-2545",
    name: "RFC 2545",
    title: "Use of BGP-4 Multiprotocol Extensions for IPv6 Inter-Domain Routing",
    rows: {
      M: "3-01 3-02 2-01",
      I: "3-03 3-04",
    },
  },
  {
    prefix: "BGP-2918",
    name: "RFC 2918",
    title: "Route Refresh Capability for BGP-4",
    rows: {
      M: "3-01 4-01",
      P: "4-02 4-03",
    },
  },
  {
    prefix: "BGP-4360",
    name: "RFC 4360",
    title: "BGP Extended Communities Attribute",
    rows: {
      M: "2-01 6-01",
    },
  },
  {
    prefix: "BGP-4456",
    name: "RFC 4456",
    title: "BGP Route Reflection",
    rows: {
      M: "8-01 8-02",
    },
  },
  {
    prefix: "BGP-4486",
    name: "RFC 4486",
    title: "Subcodes for BGP Cease Notification Message",
    rows: {
      M: "4-01 4-02 4-03",
    },
  },
  {
    prefix: "BGP-4724",
    name: "RFC 4724",
    title: "Graceful Restart Mechanism for BGP",
    rows: {
      M: "3-01 3-03 2-01 2-02 4.1-01 4.1-02 4.2-01 4.2-02 4.2-03 4.2-04 5-01 4.2-05",
      S: "3-02",
      P: "4.1-03 P-01",
    },
  },
  {
    prefix: "BGP-4760",
    name: "RFC 4760",
    title: "Multiprotocol Extensions for BGP-4",
    rows: {
      M: "8-01 3-01 4-01 3-02 3-04 3-05",
      S: "3-03 7-01",
      I: "8-02",
    },
  },
  {
    prefix: "BGP-5004",
    name: "RFC 5004",
    title: "Avoid BGP Best Path Transitions from One External to Another",
    rows: {
      O: "3-01",
    },
  },
  {
    prefix: "BGP-5082",
    name: "RFC 5082",
    title: "The Generalized TTL Security Mechanism (GTSM)",
    rows: {
      M: "3-01",
      S: "3-02",
    },
  },
  {
    prefix: "BGP-5492",
    name: "RFC 5492",
    title: "Capabilities Advertisement with BGP-4",
    rows: {
      M: "3-01 4-01 4-02 4-03 3-02",
      S: "3-03",
      P: "P-01",
    },
  },
  {
    prefix: "BGP-5668",
    name: "RFC 5668",
    title: "4-Octet AS Specific BGP Extended Community",
    rows: {
      O: "2-01",
    },
  },
  {
    prefix: "BGP-5925",
    name: "RFC 5925",
    title: "The TCP Authentication Option",
    rows: {
      O: "3-01 3-02",
    },
  },
  {
    prefix: "BGP-6286",
    name: "RFC 6286",
    title: "Autonomous-System-Wide Unique BGP Identifier for BGP-4",
    rows: {
      M: "2.1-01 2.3-01 2.3-02",
    },
  },
  {
    prefix: "BGP-6608",
    name: "RFC 6608",
    title: "Subcodes for BGP Finite State Machine Error",
    rows: {
      M: "4-01",
    },
  },
  {
    prefix: "BGP-6793",
    name: "RFC 6793",
    title: "BGP Support for Four-Octet Autonomous System Number Space",
    rows: {
      M: "4.1-01 3-01 4.1-03 4.2.2-01 4.2.2-02 4.2.3-01 4.2.3-02 6-01",
      I: "4.1-02",
      P: "P-01",
    },
  },
  {
    prefix: "BGP-7313",
    name: "RFC 7313",
    title: "Enhanced Route Refresh Capability for BGP-4",
    rows: {
      M: "4-01 4-02 4-03 4-04 5-01",
    },
  },
  {
    prefix: "BGP-7606",
    name: "RFC 7606",
    title: "Revised Error Handling for BGP UPDATE Messages",
    rows: {
      M: "4-01 4-02 5.3-01 5.3-02 5.1-01 5.1-02 5.1-03 5.2-01 5.2-02 2-01 2-02 2-03 3h-01 3c-01 3d-01 3g-01 3i-01 3j-01",
      S: "6-01",
      P: "6-02 7-01",
    },
  },
  {
    prefix: "BGP-7607",
    name: "RFC 7607",
    title: "Codification of AS 0 Processing",
    rows: {
      M: "2-01",
    },
  },
  {
    prefix: "BGP-7911",
    name: "RFC 7911",
    title: "Advertisement of Multiple Paths in BGP",
    rows: {
      M: "4-01 3-01 3-02 5-01",
      P: "P-01",
    },
  },
  {
    prefix: "BGP-7999",
    name: "RFC 7999",
    title: "BLACKHOLE Community",
    rows: {
      O: "3-01",
    },
  },
  {
    prefix: "BGP-8092",
    name: "RFC 8092",
    title: "BGP Large Communities Attribute",
    rows: {
      M: "3-01",
    },
  },
  {
    prefix: "BGP-8212",
    name: "RFC 8212",
    title: "Default External BGP Route Propagation Behavior without Policies",
    rows: {
      M: "3-01",
      P: "P-01",
    },
  },
  {
    prefix: "BGP-8326",
    name: "RFC 8326",
    title: "Graceful BGP Session Shutdown",
    rows: {
      M: "4-01",
      P: "4-02",
    },
  },
  {
    prefix: "BGP-8538",
    name: "RFC 8538",
    title: "Notification Message Support for BGP Graceful Restart",
    rows: {
      M: "2-01 3-01 3-02",
      S: "3-03",
    },
  },
  {
    prefix: "BGP-8642",
    name: "RFC 8642",
    title: "Policy Behavior for Well-Known BGP Communities",
    rows: {
      S: "4-01",
    },
  },
  {
    prefix: "BGP-8654",
    name: "RFC 8654",
    title: "Extended Message Support for BGP",
    rows: {
      M: "3-01 4-01 5-01 5-02 4-02",
      P: "P-01",
    },
  },
  {
    prefix: "BGP-8950",
    name: "RFC 8950",
    title: "Advertising IPv4 NLRI with an IPv6 Next Hop",
    rows: {
      M: "3-01 3-02 4-01",
      P: "P-01",
    },
  },
  {
    prefix: "BGP-9003",
    name: "RFC 9003",
    title: "Extended BGP Administrative Shutdown Communication",
    rows: {
      M: "2-01 3-01",
      S: "2-02",
      P: "2-03",
    },
  },
  {
    prefix: "BGP-9072",
    name: "RFC 9072",
    title: "Extended Optional Parameters Length for BGP OPEN Message",
    rows: {
      M: "2-01 2-02 2-03 2-04",
      P: "P-01",
    },
  },
  {
    prefix: "BGP-9234",
    name: "RFC 9234",
    title: "Route Leak Prevention Using Roles in UPDATE and OPEN Messages",
    rows: {
      M: "4.1-01 4.2-01 5-01 5-02 5-03",
      P: "P-01",
    },
  },
  {
    prefix: "BGP-9384",
    name: "RFC 9384",
    title: "A BGP Cease NOTIFICATION Subcode for BFD",
    rows: {
      M: "3-01",
    },
  },
  {
    prefix: "BGP-9494",
    name: "RFC 9494",
    title: "Long-Lived Graceful Restart for BGP",
    rows: {
      M: "3-01 4.2-01 4.2-02 4.3-01 4.3-02 4.2-03 4.4-01",
      P: "P-01",
    },
  },
  {
    prefix: "BGP-9687",
    name: "RFC 9687",
    title: "BGP SendHoldTimer",
    rows: {
      M: "3-01 4-01",
      S: "5-01",
      P: "P-01",
    },
  },
  {
    prefix: "BGP-9774",
    name: "RFC 9774",
    title: "Deprecation of AS_SET and AS_CONFED_SET in BGP",
    rows: {
      S: "3-01",
    },
  },
  {
    prefix: "BGP-SEND",
    name: "Sending UPDATEs",
    title: "",
    rows: {
      M: "03 06",
      P: "01 02 04 05 07",
    },
  },
  {
    prefix: "BGP-SEC",
    name: "Secrets",
    title: "",
    rows: {
      P: "01",
    },
  },
  {
    prefix: "BGP-9.1",
    name: "Bounds of what is imported",
    title: "",
    rows: {
      P: "P-01",
    },
  },
  {
    prefix: "BFD-5880",
    name: "RFC 5880",
    title: "Bidirectional Forwarding Detection (BFD)",
    rows: {
      M: "6.8.1-01 6.8.1-02 6.1-01 6.2-01 6.2-02 6.8.16-01 6.8.6-01 6.8.6-02 6.8.6-03 6.8.6-04 6.8.6-05 6.8.6-06 6.8.6-07 6.8.6-08 6.8.6-09 6.8.6-20 6.8.6-21 6.8.6-22 6.8.6-23 6.8.6-24 6.8.6-25 6.8.4-01 6.8.7-01 6.8.7-02 6.8.7-03 6.8.3-01 6.8.3-02 6.5-01 6.8.4-02 4.2-01 6.7.3-01 6.7.3-02 6.7.3-03 6.7.3-04 6.7.1-01",
      S: "6.8.7-04 7-01",
      I: "4.1-01 6.8.6-10",
      P: "P-01",
    },
  },
  {
    prefix: "BFD-5881",
    name: "RFC 5881",
    title: "BFD for IPv4 and IPv6 (Single Hop)",
    rows: {
      M: "5-01 4-01 4-02 3-01",
      O: "4-03",
      I: "5-02",
      P: "P-01",
    },
  },
  {
    prefix: "BFD-5882",
    name: "RFC 5882",
    title: "Generic Application of BFD",
    rows: {
      M: "3.2-01 4.2-01 3.2-02 4.3-01",
      S: "10.2-01",
      P: "3.2-03",
    },
  },
  {
    prefix: "BFD-5883",
    name: "RFC 5883",
    title: "BFD for Multihop Paths",
    rows: {
      M: "5-01",
    },
  },
  {
    prefix: "BFD-7130",
    name: "RFC 7130",
    title: "BFD on Link Aggregation Group (LAG) Interfaces",
    rows: {
      O: "2-01",
    },
  },
  {
    prefix: "BFD-STRICT",
    name: "BFD strict mode (draft)",
    title: "",
    rows: {
      O: "01",
    },
  },
  {
    prefix: "BFD-P",
    name: "BFD in this daemon",
    title: "",
    rows: {
      P: "01 02 03 04",
    },
  },
  {
    prefix: "UNN",
    name: "Unnumbered peers",
    title: "RFC 4861 router discovery, RFC 8950",
    rows: {
      M: "01 02 04 05 06 07 08 09 10",
      I: "03",
      P: "11",
    },
  },
  {
    prefix: "ARP-826",
    name: "RFC 826",
    title: "An Ethernet Address Resolution Protocol",
    rows: {
      M: "01",
    },
  },
  {
    prefix: "ARP-5227",
    name: "RFC 5227",
    title: "IPv4 Address Conflict Detection",
    rows: {
      M: "1.1-01 2.3-01 3-01 2.4-01",
      S: "2.1.1-01 2.1.1-02",
      I: "2.3-02",
    },
  },
  {
    prefix: "ARP-P",
    name: "ARP in this daemon",
    title: "",
    rows: {
      P: "01 02 03 04",
    },
  },
  {
    prefix: "ND-4861",
    name: "RFC 4861",
    title: "Neighbor Discovery for IPv6",
    rows: {
      M: "7.2.6-01 7.2.4-01 7.2.4-02 7.1.1-01 7.1.1-02 2.7-01 7.2.5-01 7.3.3-01",
    },
  },
  {
    prefix: "ND-4862",
    name: "RFC 4862",
    title: "IPv6 Stateless Address Autoconfiguration",
    rows: {
      S: "5.4-01",
    },
  },
  {
    prefix: "ND-7527",
    name: "RFC 7527",
    title: "Enhanced Duplicate Address Detection",
    rows: {
      O: "4-01",
    },
  },
  {
    prefix: "ND-9131",
    name: "RFC 9131",
    title: "Gratuitous Neighbor Discovery",
    rows: {
      I: "01",
    },
  },
  {
    prefix: "ND-P",
    name: "NDP in this daemon",
    title: "",
    rows: {
      P: "01",
    },
  },
  {
    prefix: "ROB",
    name: "A hostile or broken peer",
    title: "",
    rows: {
      P: "01 02 03 04 05 06 07 08 09 10",
    },
  },
];

export const SOURCES: readonly Source[] = CHECKLIST.map(({ prefix, name, title, rows }) => ({
  name,
  title,
  rows: Object.entries(rows)
    .flatMap(([level, ids]) => ids.split(" ").map((id) => ({ id: `${prefix}-${id}`, level: level as Level })))
    .toSorted((a, b) => a.id.localeCompare(b.id, "en", { numeric: true })),
}));

export const ROWS: readonly Row[] = SOURCES.flatMap(({ rows }) => rows);
