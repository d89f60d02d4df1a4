import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";

/**
 * Every metric, in one place. Names beginning with `kube_vip_` are kube-vip's, so that existing dashboards go on
 * working; the others are our own. Gauges are set from the status document when somebody scrapes.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly #gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> =>
    new Gauge({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  readonly #counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });

  readonly buildInfo = this.#gauge("kube_vip_build_info", "Version of the program; the value is 1.", [
    "version",
    "build",
    "node",
  ]);
  readonly activeServices = this.#gauge("kube_vip_active_services", "Services that this node announces.", [
    "namespace",
  ]);
  readonly isLeader = this.#gauge("kube_vip_is_leader", "1 on the node that holds the Lease.", ["node", "lease_name"]);
  readonly sameIdentity = this.#gauge(
    "vipcast_election_same_identity",
    "1 while another daemon renews the Lease under this node's name.",
    ["lease_name"],
  );
  readonly sessionInfo = this.#gauge(
    "kube_vip_manager_bgp_session_info",
    "1 for the current state of each BGP session.",
    ["state", "peer"],
  );
  readonly sessionUp = this.#gauge("vipcast_bgp_session_up", "1 while the BGP session is established.", ["peer"]);
  readonly prefixesSent = this.#gauge("vipcast_bgp_prefixes_sent", "Prefixes announced to the peer.", ["peer"]);
  readonly prefixesReceived = this.#gauge("vipcast_bgp_prefixes_received", "Prefixes that the peer announces.", [
    "peer",
  ]);
  readonly prefixesStale = this.#gauge(
    "vipcast_bgp_prefixes_stale",
    "Received prefixes that are kept while the peer is away or tells its routes again.",
    ["peer"],
  );
  readonly diagnosis = this.#gauge(
    "vipcast_bgp_diagnosis",
    "1 for the cause that vipcast status names for a session that is not as it should be.",
    ["peer", "cause"],
  );
  readonly vipAnnounced = this.#gauge("vipcast_vip_announced", "1 while this node announces the VIP.", [
    "owner",
    "address",
    "path",
  ]);
  readonly backends = this.#gauge("vipcast_balancer_backends", "API servers behind the control-plane VIP, by state.", [
    "state",
  ]);
  readonly poolAddresses = this.#gauge(
    "vipcast_pool_addresses",
    "Addresses of a pool by state, on the node that gives them.",
    ["pool", "family", "state"],
  );
  readonly fallback = this.#gauge("vipcast_fallback_active", "1 while ARP and NDP stand in for BGP.", []);
  readonly apiServerReady = this.#gauge(
    "vipcast_api_server_ready",
    "1 while the API server of this node passes its probe.",
    [],
  );
  readonly kubeSynced = this.#gauge("vipcast_kube_synced", "1 once every watch has delivered its list.", []);

  readonly sessionsEstablished = this.#counter(
    "vipcast_bgp_sessions_established_total",
    "Times that a session with the peer came up.",
    ["peer"],
  );
  readonly messages = this.#counter("vipcast_bgp_messages_total", "BGP messages, by direction and type.", [
    "peer",
    "direction",
    "type",
  ]);
  readonly malformedUpdates = this.#counter(
    "vipcast_bgp_malformed_updates_total",
    "UPDATEs of the peer with faults that kept the session (RFC 7606).",
    ["peer"],
  );
  readonly prefixesRefused = this.#counter(
    "vipcast_bgp_prefixes_refused_total",
    "Prefixes of the peer beyond its limit.",
    ["peer"],
  );

  readonly bfdSessionUp = this.#gauge("vipcast_bfd_session_up", "1 while the BFD session is up.", ["peer"]);
  readonly bfdTransitions = this.#counter(
    "vipcast_bfd_session_transitions_total",
    "Times that a BFD session came up or went down.",
    ["peer", "to"],
  );
  readonly bfdPackets = this.#counter("vipcast_bfd_packets_total", "BFD packets taken, sent, or not to be sent.", [
    "direction",
  ]);
  readonly bfdDiscarded = this.#counter("vipcast_bfd_packets_discarded_total", "BFD packets not taken, and why.", [
    "reason",
  ]);
  readonly bfdStalls = this.#counter(
    "vipcast_bfd_stalls_total",
    "Times that the BFD thread ran too late to judge a peer, which was then asked again.",
    [],
  );

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }
}
