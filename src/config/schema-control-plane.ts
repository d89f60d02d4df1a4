import * as z from "zod";
import { absolutePath, bool, decimalNumber, hostAddress, leaseName, text, wholeNumber } from "./leaves.ts";
import { named } from "./option-names.ts";

/** The VIP of the Kubernetes API: who has it, on what condition, and what stands behind it. */
export const ControlPlane = z.strictObject({
  enabled: named(bool().default(false).describe("Announce the control-plane VIP."), {
    form: "bool",
    flag: "controlplane",
    env: ["cp_enable"],
  }),
  addresses: named(
    z
      .array(hostAddress(), { error: "must be a list of IP addresses" })
      .max(16, "must have at most 16 addresses")
      .default([])
      .describe("The VIP, or several (dual-stack). `--vip` and `vip_address` are older names."),
    { form: "list", flag: "address", env: ["address", "vip_address"] },
  ),
  port: named(wholeNumber(1, 65_535).default(6443).describe("Port of the API server."), {
    form: "integer",
    flag: "port",
    env: ["port"],
  }),
  election: named(
    bool()
      .default(false)
      .describe(
        "BGP: announce only from the node that holds the Lease. ARP elects regardless. Mode `table`, as with kube-vip: elect for the Services, while every node that can serves the control plane.",
      ),
    { form: "bool", flag: "leaderElection", env: ["vip_leaderelection"] },
  ),
  leaseName: named(
    leaseName().default("plndr-cp-lock").describe("Lease of the control-plane VIP, `name` or `namespace/name`."),
    { form: "text", flag: "leaseName", env: ["vip_leasename"] },
  ),
  leaseAnnotations: named(
    z
      .record(text(), text(), { error: "must be a map of texts" })
      .default({})
      .describe("Annotations of that Lease. In the environment: a JSON object."),
    { form: "json", env: ["vip_leaseannotations"] },
  ),
  balancer: z
    .strictObject({
      enabled: named(
        bool()
          .default(false)
          .describe("Spread connections to the VIP over the API servers of all control-plane nodes."),
        { form: "bool", flag: "enableLoadBalancer", env: ["lb_enable"] },
      ),
      port: named(wholeNumber(1, 65_535).default(6443).describe("Port of the VIP that is spread."), {
        form: "integer",
        flag: "lbPort",
        env: ["lb_port"],
      }),
      method: named(
        z
          .enum(["local", "masquerade"], {
            error:
              "must be local or masquerade (tunnel, directroute and bypass are methods of IPVS that nftables lacks)",
          })
          .default("local")
          .describe(
            "`masquerade`: over all API servers that are ready. `local`: to this node's own while it is ready, clients keep their addresses; else as `masquerade`.",
          ),
        { form: "text", flag: "lbForwardingMethod", env: ["lb_fwdmethod"] },
      ),
      algorithm: named(
        z
          .enum(["round-robin", "random", "source-hash"], { error: "must be round-robin, random or source-hash" })
          .default("round-robin")
          .describe("How one of several API servers is chosen."),
        { form: "text", env: ["vipcast_lb_algorithm"] },
      ),
      probeSeconds: named(
        decimalNumber(0.05, 3600)
          .default(0.5)
          .describe(
            "Time from one question to an API server to the next; after three failures it gets no connections.",
          ),
        { form: "number", env: ["backend_health_check_interval"] },
      ),
    })
    .prefault({})
    .describe("The balancer in the kernel."),
  healthCheck: z
    .strictObject({
      enabled: named(
        bool()
          .default(true)
          .describe(
            "Announce only while the API server answers 200. `false` announces whatever it does, as kube-vip by default.",
          ),
        { form: "bool", flag: "controlPlaneHealthCheck", env: ["vipcast_control_plane_health_check"] },
      ),
      url: named(
        text()
          .regex(/^https?:\/\/[^\s/?#]+(\/\S*)?$/, "must be an http:// or https:// URL")
          .refine((value) => URL.canParse(value), "must be an http:// or https:// URL")
          .optional()
          .describe(
            "The URL to ask. Left out: `https://127.0.0.1:<port>/readyz` with the daemon's own credentials and the cluster's CA.",
          ),
        { form: "text", flag: "controlPlaneHealthCheckAddress", env: ["control_plane_health_check_address"] },
      ),
      periodSeconds: named(
        decimalNumber(0.05, 3600).default(0.2).describe("Time from the start of one probe to the next."),
        {
          form: "number",
          flag: "controlPlaneHealthCheckPeriodSeconds",
          env: ["control_plane_health_check_period_seconds"],
        },
      ),
      timeoutSeconds: named(
        decimalNumber(0.05, 3600).default(0.25).describe("When a probe without an answer has failed."),
        {
          form: "number",
          flag: "controlPlaneHealthCheckTimeoutSeconds",
          env: ["control_plane_health_check_timeout_seconds"],
        },
      ),
      failureThreshold: named(
        wholeNumber(1, 1000).default(3).describe("Failures in a row until the VIP is withdrawn."),
        {
          form: "integer",
          flag: "controlPlaneHealthCheckFailureThreshold",
          env: ["control_plane_health_check_failure_threshold"],
        },
      ),
      caFile: named(absolutePath().optional().describe("CA certificates for that URL, in addition to the system's."), {
        form: "text",
        flag: "controlPlaneHealthCheckCAPath",
        env: ["control_plane_health_check_ca_path"],
      }),
    })
    .prefault({})
    .describe("Probe of the API server on this node."),
});
