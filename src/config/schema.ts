import * as z from "zod";
import {
  absolutePath,
  bool,
  decimalNumber,
  interfaceName,
  leaseName,
  namespaceName,
  objectName,
  text,
  wholeNumber,
} from "./leaves.ts";
import { named } from "./option-names.ts";
import { Bgp } from "./schema-bgp.ts";
import { ControlPlane } from "./schema-control-plane.ts";
import { Etcd } from "./schema-etcd.ts";
import { RouteTable } from "./schema-route-table.ts";

export { DynamicNeighbour, Peer } from "./schema-peer.ts";
export type { ExportRule } from "./schema-policy.ts";

/**
 * The one schema of the configuration. Its tree is the YAML file; each leaf carries the flag and the environment names
 * of the same setting, so that a value means the same wherever it comes from. The documentation, the JSON Schema, the
 * flags of the command line and the environment in manifests are all drawn from here.
 */

const seconds = (min: number, max: number) => wholeNumber(min, max);

const Services = z.strictObject({
  enabled: named(bool().default(false).describe("Serve Services of type LoadBalancer."), {
    form: "bool",
    flag: "services",
    env: ["svc_enable"],
  }),
  namespace: named(namespaceName().optional().describe("Only Services of this namespace. Left out: all."), {
    form: "text",
    env: ["svc_namespace"],
  }),
  perServiceElection: named(bool().default(false).describe("One Lease per Service instead of one for all."), {
    form: "bool",
    flag: "servicesElection",
    env: ["svc_election"],
  }),
  election: named(
    z
      .enum(["none", "global", "per-service", "spread"], { error: "must be none, global, per-service or spread" })
      .optional()
      .describe(
        "Who announces a Service: every node, the holder of `leaseName`, the holder of a Lease of its own (as `svc_election`), or one of the nodes by hashing. Left out: kube-vip's rule, `none` with BGP and in mode `table` (there `global` with `controlPlane.election`), `global` with ARP.",
      ),
    { form: "text", flag: "servicesElectionMode", env: ["vipcast_services_election"] },
  ),
  perServiceElectionOnDemand: named(
    bool()
      .default(false)
      .describe("Give a Service with the annotation `kube-vip.io/forcePerServiceElection` a Lease of its own."),
    { form: "bool", flag: "perServiceElectionOnDemand", env: ["per_service_election_on_demand"] },
  ),
  spreadWeight: named(
    wholeNumber(0, 1000)
      .default(1)
      .describe("With `election: spread`: this node's share of the Services, in proportion to the other nodes'."),
    { form: "integer", env: ["vipcast_services_spread_weight"] },
  ),
  leaseName: named(
    leaseName().default("plndr-svcs-lock").describe("Lease for all Services, `name` or `namespace/name`."),
    { form: "text", flag: "servicesLeaseName", env: ["svc_leasename"] },
  ),
  interface: named(
    interfaceName()
      .optional()
      .describe(
        "Interface for the VIPs of Services; `auto`: the one whose subnet holds the address, and `lo` with BGP and in mode `table`. Left out: `interface`.",
      ),
    { form: "text", flag: "serviceInterface", env: ["vip_servicesinterface"] },
  ),
  loadBalancerClass: named(
    text()
      .max(316)
      .default("kube-vip.io/kube-vip-class")
      .describe(
        "`spec.loadBalancerClass` to serve; empty, with `legacyClassHandling: false`: Services without a class.",
      ),
    { form: "text", flag: "lbClassName", env: ["lb_class_name"], emptyMeansIt: ["flag", "environment"] },
  ),
  loadBalancerClassOnly: named(
    bool().default(false).describe("Legacy handling: leave Services without a class alone."),
    {
      form: "bool",
      flag: "lbClassOnly",
      env: ["lb_class_only"],
    },
  ),
  legacyClassHandling: named(bool().default(true).describe("Serve Services without a class, too."), {
    form: "bool",
    flag: "lbClassNameLegacyHandling",
    env: ["lb_class_legacy_handling"],
  }),
  attachAddresses: named(bool().default(false).describe("BGP and mode `table`: put the VIPs on an interface, too."), {
    form: "bool",
    flag: "bgpAttachIPToInterface",
    env: ["bgp_attach_ip_to_interface"],
  }),
  excludeLabel: named(
    bool()
      .default(false)
      .describe(
        "Nodes with the label `node.kubernetes.io/exclude-from-external-load-balancers` serve no Services. kubeadm puts it on control-plane nodes, and kube-vip ignores it.",
      ),
    { form: "bool", env: ["vipcast_exclude_label"] },
  ),
  drainCordonedNodes: named(
    bool()
      .default(false)
      .describe(
        "A node that is cordoned (`spec.unschedulable`) gives its Services away: routers are asked to prefer other ways, and `bgp.drainSeconds` later the routes go; Leases go at once. Without it a cordoned node goes on serving.",
      ),
    { form: "bool", env: ["vipcast_drain_cordoned_nodes"] },
  ),
  endpointMinimumReadySeconds: named(
    decimalNumber(0, 3_600)
      .default(0)
      .describe("Policy Local: how long a node's endpoint must have been ready before the node announces the Service."),
    { form: "number", env: ["vipcast_endpoint_minimum_ready_seconds"] },
  ),
  endpointHoldDownSeconds: named(
    decimalNumber(0, 3_600)
      .default(60)
      .describe(
        "Policy Local: an endpoint that stopped being ready three times within five minutes must stay ready for 5 s, twice as long after each further time, and at most this long, before its node announces the Service again. The last node that serves is never held; 0 turns it off.",
      ),
    { form: "number", env: ["vipcast_endpoint_hold_down_seconds"] },
  ),
  pools: z
    .strictObject({
      enabled: named(
        bool().default(false).describe("Give addresses to Services from pools, as kube-vip's cloud provider does."),
        { form: "bool", flag: "servicesPools", env: ["vipcast_pools_enable"] },
      ),
      configMap: named(
        leaseName().default("kube-system/kubevip").describe("ConfigMap with the pools, `namespace/name`."),
        { form: "text", env: ["vipcast_pools_configmap"] },
      ),
      leaseName: named(
        leaseName()
          .default("kube-system/kube-vip-cloud-controller")
          .describe("Lease of who gives addresses; the default is that of kube-vip's cloud provider."),
        { form: "text", env: ["vipcast_pools_leasename"] },
      ),
    })
    .prefault({})
    .describe("Address pools."),
  onlyServicePorts: named(
    bool().default(false).describe("Let VIPs answer on the ports of their Services only, by rules of nftables."),
    { form: "bool", flag: "onlyAllowTrafficServicePorts", env: ["enable_service_security"] },
  ),
  sourceRanges: named(
    bool().default(false).describe("Enforce `spec.loadBalancerSourceRanges` on this node, by rules of nftables."),
    { form: "bool", env: ["vipcast_service_source_ranges"] },
  ),
  updateStatus: named(
    bool()
      .default(true)
      .describe("Write status and annotations of Services; flag and environment variable turn that off."),
    { form: "bool", flag: "disableServiceUpdates", env: ["disable_service_updates"], inverted: true },
  ),
});

const Election = z.strictObject({
  type: named(
    z
      .enum(["kubernetes", "etcd"], { error: "must be kubernetes or etcd" })
      .default("kubernetes")
      .describe("Where elections are held: Leases of the Kubernetes API, or keys in etcd (control plane only)."),
    { form: "text", flag: "leaderElectionType", env: ["vipcast_election_type"] },
  ),
  leaseDurationSeconds: named(
    seconds(1, 86_400).default(15).describe("How long a Lease that is not renewed is respected."),
    {
      form: "integer",
      flag: "leaseDuration",
      env: ["vip_leaseduration"],
    },
  ),
  renewDeadlineSeconds: named(
    seconds(1, 86_400).default(10).describe("When a holder that cannot renew steps down; less than the duration."),
    { form: "integer", flag: "leaseRenewDuration", env: ["vip_renewdeadline"] },
  ),
  retryPeriodSeconds: named(
    seconds(1, 86_400)
      .default(2)
      .describe("Time between two attempts; 1.2 times this must be less than the renew deadline."),
    { form: "integer", flag: "leaseRetry", env: ["vip_retryperiod"] },
  ),
  addressLifetimes: named(
    bool()
      .default(true)
      .describe(
        "The kernel removes an elected VIP before another node may take it, also when the daemon hangs. Needs 2 s between renew deadline and duration.",
      ),
    { form: "bool", flag: "addressLifetimes", env: ["vipcast_address_lifetimes"] },
  ),
});

/** The file. Sections may be left out; what is left out has its default. */
export const Config = z
  .strictObject({
    mode: named(
      z
        .enum(["bgp", "arp", "auto", "table"], { error: "must be bgp, arp, auto or table" })
        .optional()
        .describe(
          "How VIPs are made reachable. `--bgp`, `bgp_enable`, `--arp`, `vip_arp`, `--table` and `vip_routingtable` say the same; `auto` is BGP with ARP as fallback, `table` routes in the kernel for a routing daemon to announce.",
        ),
      { form: "text", flag: "mode", env: ["vipcast_mode"] },
    ),
    nodeName: named(objectName().optional().describe("Name of this node. Left out: the host name."), {
      form: "text",
      flag: "nodeName",
      env: ["vip_nodename"],
    }),
    interface: named(
      interfaceName()
        .optional()
        .describe(
          "Interface that gets the VIPs. Left out: `lo` with BGP and in mode `table`, with ARP the one whose subnet holds the address.",
        ),
      { form: "text", flag: "interface", env: ["vip_interface"] },
    ),
    prefixLengths: named(
      z
        .array(wholeNumber(1, 128), { error: "must be a list of one or two prefix lengths" })
        .max(2, "must have at most two prefix lengths, IPv4 first")
        .default([])
        .describe(
          "Prefix length of VIPs on an interface, IPv4 first. Left out: 32 and 128. Routes are always /32 and /128.",
        ),
      { form: "integers", flag: "vipSubnet", env: ["vip_subnet", "vip_cidr"] },
    ),
    controlPlane: ControlPlane.prefault({}).describe("The VIP of the Kubernetes API."),
    services: Services.prefault({}).describe("The VIPs of Services of type LoadBalancer."),
    election: Election.prefault({}).describe("Elections."),
    etcd: Etcd.prefault({}).describe("Elections in etcd."),
    bgp: Bgp.prefault({}).describe("BGP sessions."),
    arp: z
      .strictObject({
        intervalMillis: named(
          wholeNumber(500, 3_600_000)
            .default(3000)
            .describe("Time between two gratuitous ARP and NDP announcements of a VIP."),
          { form: "integer", env: ["vip_arpRate"] },
        ),
      })
      .prefault({})
      .describe("ARP and NDP."),
    routingTable: RouteTable.prefault({}).describe("Mode `table`."),
    fallback: z
      .strictObject({
        delaySeconds: named(
          decimalNumber(0, 3600)
            .default(5)
            .describe("How long no BGP session may have been up before ARP and NDP stand in."),
          { form: "number", flag: "fallbackDelay", env: ["vipcast_fallback_delay_seconds"] },
        ),
        settleSeconds: named(
          decimalNumber(0, 3600)
            .default(10)
            .describe("How long a session must have been up before BGP takes over again."),
          { form: "number", env: ["vipcast_fallback_settle_seconds"] },
        ),
      })
      .prefault({})
      .describe("Mode `auto`."),
    kubernetes: z
      .strictObject({
        kubeconfig: named(
          absolutePath()
            .optional()
            .describe(
              "The kubeconfig. Left out: `/etc/kubernetes/admin.conf`, then `$HOME/.kube/config`, then the pod's service account.",
            ),
          { form: "text", flag: "k8sConfigPath", env: ["k8s_config_file"] },
        ),
        address: named(text().optional().describe("Server address instead of the one in the kubeconfig."), {
          form: "text",
          env: ["kubernetes_addr"],
        }),
        namespace: named(namespaceName().default("kube-system").describe("Namespace of Leases when not in a pod."), {
          form: "text",
          flag: "namespace",
          env: ["cp_namespace"],
        }),
      })
      .prefault({})
      .describe("Access to the Kubernetes API."),
    metrics: z
      .strictObject({
        listen: named(
          text().default(":2112").describe("Listen address of `/metrics`; `off` (or an empty flag) turns it off."),
          {
            form: "text",
            flag: "prometheusHTTPServer",
            env: ["prometheus_server"],
            emptyMeansIt: ["flag"],
          },
        ),
      })
      .prefault({})
      .describe("Prometheus."),
    health: z
      .strictObject({
        port: named(
          wholeNumber(0, 65_535)
            .refine((value) => value === 0 || value >= 1024, "must be 0 (off), or 1024 and more")
            .default(0)
            .describe("Port of `/livez`, `/readyz` and `/healthz`; 0 turns them off."),
          { form: "integer", flag: "healthCheckPort", env: ["health_check_port"] },
        ),
      })
      .prefault({})
      .describe("Probes of the kubelet."),
    log: z
      .strictObject({
        level: named(
          z
            .enum(["debug", "info", "warn", "error"], { error: "must be debug, info, warn or error" })
            .default("info")
            .describe(
              "debug, info, warn or error; in the environment and as a flag also kube-vip's numbers: -4, 0, 4, 8.",
            ),
          { form: "level", flag: "log", env: ["vip_loglevel"] },
        ),
      })
      .prefault({})
      .describe("Logging."),
    status: z
      .strictObject({
        socket: named(
          absolutePath()
            .max(107, "must have at most 107 characters: the kernel's limit for a socket's path")
            .default("/run/vipcast/vipcast.sock")
            .describe("Unix socket that `vipcast status` asks."),
          { form: "text", flag: "statusSocket", env: ["vipcast_status_socket"] },
        ),
      })
      .prefault({})
      .describe("The daemon's own status."),
  })
  .meta({ title: "vipcast configuration" });
export type Config = z.output<typeof Config>;
