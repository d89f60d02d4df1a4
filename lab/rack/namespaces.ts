import { addressOn, type Host, linksOf, portName, type SegmentName, type Topology } from "../topology.ts";
import { command } from "./command.ts";

/** The topology as network namespaces. All names begin with `prefix`, which no other run on this machine has. */
export class Namespaces {
  readonly prefix: string;
  readonly topology: Topology;
  /** Link-local and global IPv6, IPv4 and MAC addresses of the hosts' interfaces, each with its host. */
  readonly owners: ReadonlyMap<string, string>;

  private constructor(prefix: string, topology: Topology, owners: ReadonlyMap<string, string>) {
    this.prefix = prefix;
    this.topology = topology;
    this.owners = owners;
  }

  /**
   * @param prefix  whoever calls must `removeTraces` of it, even when this throws
   */
  static async build(topology: Topology, prefix: string): Promise<Namespaces> {
    const names = [topology.switchName, ...topology.hosts.map(({ name }) => name)];
    const at = (host: string): string => `${prefix}${host}`;
    await ipBatch(names.map((name) => `netns add ${at(name)}`));
    // Before any link is made: duplicate address detection would hold back each address for a second or two.
    await Promise.all([
      writeSysctls(at(topology.switchName), EVERYWHERE),
      ...topology.hosts.map((host) => writeSysctls(at(host.name), sysctlsOf(host))),
    ]);
    await ipBatch(
      linksOf(topology).map(
        ([a, b]) => `link add ${a.name} netns ${at(a.host)} type veth peer name ${b.name} netns ${at(b.host)}`,
      ),
    );
    await Promise.all([
      ipBatch(switchLines(topology), at(topology.switchName)),
      ...topology.hosts.map((host) => ipBatch(hostLines(host, topology), at(host.name))),
    ]);
    const owners = new Map<string, string>();
    await Promise.all(
      topology.hosts.map(async (host) => {
        const links = JSON.parse(await command(["ip", "-n", at(host.name), "-j", "addr"])) as IpAddr[];
        for (const link of links.filter(({ ifname }) => ifname !== "lo")) {
          owners.set(link.address, host.name);
          for (const { local } of link.addr_info) owners.set(local, host.name);
        }
      }),
    );
    return new Namespaces(prefix, topology, owners);
  }

  name(host: string): string {
    return `${this.prefix}${host}`;
  }

  /** Packets for others are passed on there, as on every node with kube-proxy. */
  async forward(host: string): Promise<void> {
    await writeSysctls(this.name(host), { "ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1 });
  }

  /** Takes a host off a bridge: both sides keep their carrier, as behind a switch that has lost its path. */
  async cut(host: string, ...segments: readonly SegmentName[]): Promise<void> {
    await ipBatch(
      segments.map((segment) => `link set ${portName(segment, host)} nomaster`),
      this.name(this.topology.switchName),
    );
  }

  async join(host: string, ...segments: readonly SegmentName[]): Promise<void> {
    await ipBatch(
      segments.map((segment) => `link set ${portName(segment, host)} master ${segment}`),
      this.name(this.topology.switchName),
    );
  }
}

interface IpAddr {
  readonly ifname: string;
  readonly address: string;
  readonly addr_info: readonly { readonly local: string }[];
}

async function ipBatch(lines: readonly string[], namespace?: string): Promise<void> {
  if (lines.length === 0) return;
  const inNamespace = namespace === undefined ? [] : ["-n", namespace];
  await command(["ip", ...inNamespace, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

/** Written through /proc, because a small Debian has no `sysctl`. */
async function writeSysctls(namespace: string, settings: Readonly<Record<string, number>>): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `echo ${value} > /proc/sys/net/${name}`);
  await command(["ip", "netns", "exec", namespace, "sh", "-e", "-c", lines.join("\n")]);
}

const EVERYWHERE = {
  "ipv6/conf/all/accept_dad": 0,
  "ipv6/conf/default/accept_dad": 0,
  "ipv6/conf/all/disable_ipv6": 0,
  "ipv6/conf/default/disable_ipv6": 0,
  // A namespace inherits these from the machine, where a distribution may have set them.
  "ipv4/conf/all/rp_filter": 0,
  "ipv4/conf/default/rp_filter": 0,
};

function sysctlsOf(host: Host): Readonly<Record<string, number>> {
  switch (host.role) {
    case "router":
      return {
        ...EVERYWHERE,
        "ipv4/ip_forward": 1,
        "ipv6/conf/all/forwarding": 1,
        // Spread connections, not clients, over equal paths.
        "ipv4/fib_multipath_hash_policy": 1,
        "ipv6/fib_multipath_hash_policy": 1,
        "ipv4/conf/all/send_redirects": 0,
        "ipv4/conf/default/send_redirects": 0,
      };
    case "node":
      // As kube-proxy's strict ARP: no answer for addresses that are on another interface, `lo` above all.
      return { ...EVERYWHERE, "ipv4/conf/all/arp_ignore": 1, "ipv4/conf/all/arp_announce": 2 };
    case "client":
    case "api":
      return EVERYWHERE;
  }
}

function switchLines(topology: Topology): string[] {
  const bridges = topology.segments.filter(({ kind }) => kind === "bridge");
  return [
    "link set lo up",
    ...bridges.flatMap(({ name }) => [
      `link add ${name} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`,
      `link set ${name} up`,
    ]),
    ...bridges.flatMap(({ name }) =>
      topology.hosts
        .filter((host) => host.interfaces.some(({ segment }) => segment === name))
        .flatMap((host) => [
          `link set ${portName(name, host.name)} master ${name}`,
          `link set ${portName(name, host.name)} up`,
        ]),
    ),
  ];
}

function hostLines(host: Host, topology: Topology): string[] {
  return [
    "link set lo up",
    ...host.interfaces.flatMap(({ name, segment }) => {
      const lengths = topology.segments.find((one) => one.name === segment)!.lengths;
      const address = addressOn(host, segment);
      return [
        `link set ${name} up`,
        `addr add ${address.v4}/${lengths.v4} dev ${name}`,
        `addr add ${address.v6}/${lengths.v6} dev ${name} nodad`,
      ];
    }),
    ...(host.defaultGateway === null
      ? []
      : [`route add default via ${host.defaultGateway.v4}`, `route add default via ${host.defaultGateway.v6}`]),
  ];
}
