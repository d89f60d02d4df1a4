/** Behaviours that nothing shows, each with the reason. One that a test shows may not stand here. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  A9: "sessions in a VRF are not offered: sockets are bound to interfaces, not to routing domains.",
  A7: "one AS number per node: a session has no AS of its own.",
  B3: "there are no objects that select pools and Services; export rules select by Service (B6).",
  B4: "selectors are in the configuration, which is read at the start; a change is a restart that keeps the routes (F1).",
  B10: "only host routes are announced: an aggregate would draw traffic for addresses that no node serves.",
  I1: "a request by hand is honoured whatever the pools say, as kube-vip's cloud provider does; a clash is reported.",
  J4: "no objects of its own hold state in the API server, besides Leases and the status of Services.",
  J5: "routes are not predicted: `vipcast explain` shows what is there.",
  M2: "three days are longer than a run of the tests; memory and descriptors are bounded in shorter ones (L2).",
};
