import type { Loaded } from "./load.ts";
import { type Option, optionOf, options } from "./options.ts";
import { printText } from "./text.ts";
import { valueAt } from "./tree.ts";

export interface Variable {
  readonly name: string;
  /** Null: the name of the node that the pod runs on. */
  readonly value: string | null;
}

/**
 * The environment that gives `vipcast manager` these very settings, in the order in which kube-vip's generator writes it;
 * what kube-vip loses comes after. The place of the kubeconfig is not in it: a manifest mounts that file.
 */
export function printEnvironment(loaded: Loaded): readonly Variable[] {
  const { config, settings, singlePeer } = loaded;
  const { controlPlane, services, bgp } = config;
  const withBgp = settings.bgp !== null;
  const out = new Variables(config);

  out.add("vip_arp", String(settings.mode === "arp" || settings.mode === "auto"));
  if (settings.mode === "auto") out.add("vipcast_mode", "auto");
  out.always("controlPlane.port");
  out.add("vip_nodename", settings.nodeName);
  out.changed("interface", "services.interface", "prefixLengths");
  if (controlPlane.enabled) out.always("controlPlane.enabled", "kubernetes.namespace");
  if (services.enabled) {
    out.always("services.enabled", "services.leaseName");
    out.changed("services.perServiceElection", "services.loadBalancerClassOnly");
  }
  if (controlPlane.election)
    out.always(
      "controlPlane.election",
      "controlPlane.leaseName",
      "election.leaseDurationSeconds",
      "election.renewDeadlineSeconds",
      "election.retryPeriodSeconds",
    );
  if (settings.routeTable !== null) {
    out.add("vip_routingtable", "true");
    out.changed(...keysUnder("routingTable"));
  }
  if (withBgp) {
    out.add("bgp_enable", "true");
    out.changed("services.attachAddresses", "bgp.routerId");
    out.always("bgp.localAs");
    if (singlePeer !== null) {
      const { address, as, password, multihop, sourceInterface } = singlePeer;
      out.add("bgp_peeraddress", sourceInterface === undefined ? address! : `[${address}%${sourceInterface}]`);
      if (password !== undefined) out.add("bgp_peerpass", password);
      out.add("bgp_peeras", String(as));
      if (multihop) out.add("bgp_multihop", "true");
    }
    out.changed("bgp.sourceInterface", "bgp.sourceAddress");
    // A comma ends a peer in kube-vip's list.
    const texts = bgp.peers.filter((peer): peer is string => typeof peer === "string" && !peer.includes(","));
    if (texts.length < bgp.peers.length) out.add("vipcast_bgp_peers", JSON.stringify(bgp.peers));
    else if (texts.length > 0) out.add("bgp_peers", texts.join(","));
  }
  out.changed(...keysUnder("controlPlane.healthCheck"), "controlPlane.addresses");
  out.always("metrics.listen");
  out.changed("services.updateStatus", "health.port");
  out.changed(
    ...options
      .filter(({ key }) => !["mode", "nodeName", "bgp.peers", "kubernetes.kubeconfig"].includes(key))
      .filter(({ key }) => withBgp || !key.startsWith("bgp."))
      .filter(({ key }) => settings.routeTable !== null || !key.startsWith("routingTable."))
      .map(({ key }) => key),
  );
  return out.list;
}

const keysUnder = (section: string): string[] =>
  options.filter(({ key }) => key.startsWith(`${section}.`)).map(({ key }) => key);

class Variables {
  readonly list: Variable[] = [];
  readonly #config: Loaded["config"];

  constructor(config: Loaded["config"]) {
    this.#config = config;
  }

  add(name: string, value: string | null): void {
    if (!this.list.some((it) => it.name === name)) this.list.push({ name, value });
  }

  /** Writes the keys whatever they are. */
  always(...keys: readonly string[]): void {
    for (const key of keys) {
      const option = optionOf(key);
      this.add(option.env[0], printOption(option, valueAt(this.#config, option.path)));
    }
  }

  /** Writes the keys that have another value than the default. */
  changed(...keys: readonly string[]): void {
    for (const key of keys) {
      const value = valueAt(this.#config, optionOf(key).path);
      if (value !== undefined && JSON.stringify(value) !== JSON.stringify(optionOf(key).fallback)) this.always(key);
    }
  }
}

function printOption(option: Option, value: unknown): string {
  if (option.inverted) return String(value !== true);
  // An empty variable is no variable.
  if (option.key === "metrics.listen" && value === "") return "off";
  return printText(option.form, value);
}
