import { parseBool } from "./text.ts";

/**
 * What kube-vip reads and vipcast has no setting for. A migrating user's manifest holds such names, so none of them may be
 * an unknown one; each is either ignored with a warning that says what is missing, or refused where a cluster would be
 * less safe, or unreachable, without it. A value that equals kube-vip's default asks for nothing and is passed over.
 */
export interface KubeVipOption {
  readonly flag: string | null;
  readonly env: string | null;
  /** Booleans take no value on the command line. */
  readonly form: "bool" | "text";
  /** kube-vip's default: values that ask for nothing. */
  readonly idle: readonly string[];
  readonly verdict: "ignored" | "refused";
  /** Completes "<name> ...". */
  readonly because: string;
}

const NOT_YET = "is not yet in vipcast";

const row = (
  flag: string | null,
  env: string | null,
  form: KubeVipOption["form"],
  idle: string | readonly string[],
  verdict: KubeVipOption["verdict"],
  because: string,
): KubeVipOption => ({ flag, env, form, idle: typeof idle === "string" ? [idle] : idle, verdict, because });

export const KUBE_VIP_ONLY: readonly KubeVipOption[] = [
  // Modes. Ignoring one of them would leave the cluster without its VIP.
  row(
    "wireguard",
    "vip_wireguard",
    "bool",
    "false",
    "refused",
    `asks for WireGuard mode, which ${NOT_YET}: use bgp_enable, vip_routingtable or vip_arp`,
  ),
  row(
    "ddns",
    "vip_ddns",
    "bool",
    "false",
    "refused",
    `asks for the VIP by DHCP, which ${NOT_YET}: give the VIP's address`,
  ),
  row(
    "zebra",
    "zebra_enable",
    "bool",
    "false",
    "refused",
    `${NOT_YET}: vipcast does not hand routes to FRR's zebra; remove it`,
  ),
  row(
    "config-file",
    null,
    "text",
    "",
    "refused",
    "names a file in kube-vip's form, which vipcast does not read: write it as docs/config.md says and use --config",
  ),

  row(null, "config_file", "text", "", "ignored", "is not read by kube-vip either: use --config"),
  row(
    "allowInterfaceNotUp",
    "vip_allow_interface_not_up",
    "bool",
    ["false", "true"],
    "ignored",
    "changes nothing: vipcast always starts, and waits for the interface",
  ),
  row(
    "instanceName",
    "instance_name",
    "text",
    "",
    "ignored",
    "changes nothing: it tells apart egress tables, and egress is not yet in vipcast",
  ),
  row(
    null,
    "INSTANCE_NAME",
    "text",
    "",
    "ignored",
    "changes nothing: it tells apart egress tables, and egress is not yet in vipcast",
  ),
  row("loInterfaceGlobalScope", "vip_interfaceloglobal", "bool", "false", "ignored", NOT_YET),
  row(null, "vip_skipdad", "bool", "false", "ignored", NOT_YET),
  row("dnsMode", "dns_mode", "text", "first", "ignored", "changes nothing: vipcast takes addresses, not names"),
  row("dhcpMode", "dhcp_mode", "text", ["ipv4", "first"], "ignored", "changes nothing: DHCP is not yet in vipcast"),
  row(
    "dhcpBackoffAttempts",
    "dhcp_backoff_attempts",
    "text",
    "3",
    "ignored",
    "changes nothing: DHCP is not yet in vipcast",
  ),
  row(null, "vip_configmap", "text", "", "ignored", "has no effect in kube-vip either"),
  row(null, "vip_singlenode", "bool", "false", "ignored", "has no effect in kube-vip either"),
  row(null, "vip_startleader", "bool", "false", "ignored", "has no effect in kube-vip either"),
  row(null, "vip_addpeerstolb", "bool", "false", "ignored", "has no effect in kube-vip either"),
  row(null, "vip_localpeer", "text", "", "ignored", "has no effect in kube-vip either"),
  row(null, "vip_peers", "text", "", "ignored", "has no effect in kube-vip either"),
  row(null, "bgp_interface", "text", "", "ignored", "has no effect in kube-vip either"),
  row("autodetectcp", "cp_detect", "bool", "false", "ignored", NOT_YET),
  row(
    "loseLeadership",
    "vip_loseleadership",
    "bool",
    "false",
    "ignored",
    "changes nothing: a node whose interface is down does not stand for election",
  ),
  row(
    "loseLeadershiptTimeoutSeconds",
    "vip_loseleadership_timeout_seconds",
    "text",
    "30",
    "ignored",
    "changes nothing: a node whose interface is down does not stand for election",
  ),
  row(
    "preserveVipOnLeadershipLoss",
    "vip_preserve_on_leadership_loss",
    "bool",
    "false",
    "ignored",
    "changes nothing: vipcast takes the VIP away before another node may hold it",
  ),
  row("enableNodeLabeling", "enable_node_labeling", "bool", "false", "ignored", NOT_YET),
  row(
    "enableEndpoints",
    "enable_endpoints",
    "bool",
    "false",
    "ignored",
    "changes nothing: vipcast reads EndpointSlices",
  ),
  row("mirrorDestInterface", "mirror_dest_interface", "text", "", "ignored", NOT_YET),
  row(
    "debounceTime",
    "debounce_time",
    "text",
    ["0s", "0"],
    "ignored",
    "changes nothing: vipcast folds bursts of events by itself",
  ),
  row(null, "iptables_backend", "text", "", "ignored", "has no effect in kube-vip either"),
  row(null, "egress_podcidr", "text", "", "ignored", `belongs to egress, which ${NOT_YET}`),
  row(null, "egress_servicecidr", "text", "", "ignored", `belongs to egress, which ${NOT_YET}`),
  row(
    "egressWithNftables",
    "egress_withnftables",
    "bool",
    ["true", "false"],
    "ignored",
    `belongs to egress, which ${NOT_YET}`,
  ),
  row(null, "egress_enableinternalsnat", "bool", "false", "ignored", `belongs to egress, which ${NOT_YET}`),
  row(null, "egress_clean", "bool", "false", "ignored", `belongs to egress, which ${NOT_YET}`),
  row(null, "EGRESS_CLEAN", "bool", "false", "ignored", `belongs to egress, which ${NOT_YET}`),
  row(null, "enable_upnp", "bool", "false", "ignored", NOT_YET),
  row("zebraUrl", "zebra_url", "text", "unix:/var/run/frr/zserv.api", "ignored", NOT_YET),
  row("zebraVersion", "zebra_version", "text", "6", "ignored", NOT_YET),
  row("zebraSoftwareName", "zebra_software_name", "text", "frr8.3", "ignored", NOT_YET),
];

/** Whether something is missing without it; of the others kube-vip makes nothing, or vipcast does it by itself. */
export const isMissed = ({ verdict, because }: KubeVipOption): boolean =>
  verdict === "refused" || !/^(changes nothing|has no effect|is not read)/.test(because);

/** Whether `text` asks for something that kube-vip's default does not. `null`: it is no boolean where one is needed. */
export function asksForSomething(option: KubeVipOption, text: string): boolean | null {
  if (text === "") return false;
  // kube-vip's own generator writes the timeout under the boolean's name, after the boolean.
  if (option.env === "vip_loseleadership" && /^\d+$/.test(text)) return false;
  const value = option.form === "bool" ? parseBool(text) : text;
  return value === undefined ? null : !option.idle.includes(String(value));
}
