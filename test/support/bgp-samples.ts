/** Two values of each setting of a BGP session: as text, and as the file has it. */
const ROWS: readonly (readonly [key: string, text: string, value: unknown, otherText: string, other: unknown])[] = [
  ["password", "a", "a", "b c", "b c"],
  ["passwordFile", "/a", "/a", "/b", "/b"],
  ["passwordEnvironment", "A", "A", "_b1", "_b1"],
  [
    "passwordSecret",
    '{"name":"a","key":"k"}',
    { name: "a", key: "k" },
    '{"name":"b","key":"k"}',
    { name: "b", key: "k" },
  ],
  ["ttlSecurity", "1", 1, "254", 254],
  ["passive", "true", true, "false", false],
  ["delayOpenSeconds", "0", 0, "240", 240],
  ["minHoldTimeSeconds", "3", 3, "9", 9],
  ["sendHoldTimeSeconds", "0", 0, "500", 500],
  ["maxIdleSeconds", "1", 1, "60", 60],
  ["userTimeoutMillis", "500", 500, "9000", 9000],
  ["maxSegmentLength", "536", 536, "1200", 1200],
  ["trafficClass", "0", 0, "184", 184],
  ["requiredFamilies", "ipv4", ["ipv4"], "ipv4,ipv6", ["ipv4", "ipv6"]],
  ["extendedNextHop", "true", true, "false", false],
  ["addPathReceive", "true", true, "false", false],
  ["role", "customer", "customer", "route-server-client", "route-server-client"],
  ["strictRole", "true", true, "false", false],
  ["enforceFirstAs", "true", true, "false", false],
  ["maxPrefixes", '{"count":1}', { count: 1, action: "drop" }, '{"count":2}', { count: 2, action: "drop" }],
  [
    "import",
    "{}",
    { accept: [], honourGracefulShutdown: true },
    '{"honourGracefulShutdown":false}',
    { accept: [], honourGracefulShutdown: false },
  ],
  ["export", "{}", { rules: [], otherwise: "announce" }, '{"otherwise":"refuse"}', { rules: [], otherwise: "refuse" }],
  ["gracefulRestart.enabled", "true", true, "false", false],
  ["gracefulRestart.restartTimeSeconds", "1", 1, "4095", 4095],
  ["gracefulRestart.helper", "true", true, "false", false],
  ["gracefulRestart.longLivedSeconds", "0", 0, "3600", 3600],
  ["gracefulRestart.keepOnStop", "true", true, "false", false],
  ["bfd.enabled", "true", true, "false", false],
  ["bfd.transmitMillis", "50", 50, "300", 300],
  ["bfd.receiveMillis", "50", 50, "300", 300],
  ["bfd.multiplier", "1", 1, "255", 255],
  ["bfd.passive", "true", true, "false", false],
  ["bfd.minTtl", "1", 1, "254", 254],
  ["bfd.fastTimers", "true", true, "false", false],
  ["bfd.strict", "true", true, "false", false],
  [
    "bfd.auth",
    '{"type":"md5","keyId":1,"key":"a"}',
    { type: "md5", keyId: 1, key: "a" },
    '{"type":"sha1","keyId":2,"key":"b"}',
    { type: "sha1", keyId: 2, key: "b" },
  ],
  ["annotationPrefix", "example.com", "example.com", "metal.equinix.com", "metal.equinix.com"],
  ["drainSeconds", "0", 0, "2.5", 2.5],
  ["serviceAttributes.communities", "65000:*", ["65000:*"], "1:2,no-export", ["1:2", "no-export"]],
  ["serviceAttributes.largeCommunities", "1:*:*", ["1:*:*"], "1:2:3,4:5:6", ["1:2:3", "4:5:6"]],
  ["serviceAttributes.extendedCommunities", "rt:1:*", ["rt:1:*"], "soo:192.0.2.1:*", ["soo:192.0.2.1:*"]],
  ["serviceAttributes.localPreference", "true", true, "false", false],
  ["serviceAttributes.med", "true", true, "false", false],
  ["serviceAttributes.maxPrepend", "1", 1, "64", 64],
];

const NEIGHBOUR = { name: "a", prefix: "10.0.0.0/8", as: "external", limit: 16, multihop: false };

const ON_NODES = { nodeSelector: { "example.com/rack": "a" }, localAs: 65_010 };

type Sample = readonly [text: string, value: unknown];

export const BGP_SAMPLES: Readonly<Record<string, readonly [Sample, Sample]>> = {
  ...Object.fromEntries(
    ROWS.map(([key, text, value, otherText, other]): [string, readonly [Sample, Sample]] => [
      `bgp.${key}`,
      [
        [text, value],
        [otherText, other],
      ],
    ]),
  ),
  "bgp.localAsOnNodes": [
    ["[]", []],
    [JSON.stringify([ON_NODES]), [ON_NODES]],
  ],
  "bgp.dynamicNeighbours": [
    ["[]", []],
    [JSON.stringify([NEIGHBOUR]), [NEIGHBOUR]],
  ],
};
