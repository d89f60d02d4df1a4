import type { Lab } from "../lab.ts";
import { command } from "../rack/command.ts";
import type { Scenario } from "../scenario.ts";
import { LAN_INTERFACE, NODE_NAMES, VIPS } from "../topology.ts";
import { arpFlags, electionEnvironment, leaseFlags, SHORT_LEASE, START_BOUND_MILLIS } from "./settings.ts";
import { startDaemons } from "./stories.ts";

const NODE = "n1";
const TABLES = fileOf("../rack/tables-main.ts");
const OUR_TABLES = ["vipcast-balancer", "vipcast-firewall"];
const FOREIGN_TABLE = "foreign";
/** What somebody else has put beside ours, on the same interface. */
const FOREIGN_ADDRESSES = ["10.10.0.77/24", "fd10::77/64"];
const FOREIGN_ROUTE = "192.0.2.0/24";

export const sigkillLoop: Scenario = {
  name: "sigkill-loop",
  summary: "a daemon is killed at any moment, again and again: nothing of it is left, and nothing foreign is taken",
  clientOnLan: true,
  routers: ["embedded"],
  kubes: ["embedded"],
  scenarios: ["F4"],
  manifestFlags: [
    ...arpFlags(),
    ...leaseFlags(SHORT_LEASE),
    ...["--enableLoadBalancer", "--lbForwardingMethod", "masquerade", "--onlyAllowTrafficServicePorts"],
  ],
  environment: electionEnvironment,
  async play(lab) {
    const { rack } = lab;
    await rack.namespaces.forward(NODE);
    await startDaemons(lab);
    // With nobody else to take the VIP over, it is this node's whenever its daemon lives.
    for (const name of NODE_NAMES) if (name !== NODE) await rack.node(name).stopDaemon();
    await addForeign(lab);
    const node = rack.node(NODE);

    const rounds = lab.brief ? 12 : 200;
    lab.step(`the daemon on ${NODE} is killed ${rounds} times`);
    for (let round = 0; round < rounds; round++) {
      node.daemon.signal("SIGKILL");
      await node.daemon.ended;
      node.startDaemon();
      // From before the first system call until long after everything is in place, in no order.
      await lab.pass(((round * 7919) % rounds) * (1_500 / rounds));
      if (round % 20 === 19) lab.note(`${round + 1} times`);
    }

    const last = lab.step("the last one may live");
    await lab.within(
      "it has VIPs and rules again",
      START_BOUND_MILLIS + SHORT_LEASE.durationSeconds * 1000,
      async () => {
        const [vips, tables] = [await vipsOf(lab), await tablesOf(lab, ["vipcast-balancer"])];
        return (vips.length === 2 && tables !== "") || `${vips.join(", ") || "no VIP"}, tables: ${tables || "none"}`;
      },
      last,
    );
    lab.expect("each VIP is there once", (await vipsOf(lab)).toSorted().join(", "), "", {
      equals: [`${VIPS.onLan.v4}/32`, `${VIPS.onLan.v6}/128`].toSorted().join(", "),
    });

    lab.step("it is stopped");
    const { code } = await node.stopDaemon();
    lab.expect("exit code", code ?? "none", "", { equals: 0 });
    lab.expect("VIPs that are left", (await vipsOf(lab)).join(", "), "", { equals: "" });
    lab.expect("tables that are left", await tablesOf(lab, OUR_TABLES), "", { equals: "" });
    lab.expect("foreign addresses", (await foreignAddresses(lab)).join(", "), "", {
      equals: FOREIGN_ADDRESSES.join(", "),
    });
    lab.expect("foreign table", await tablesOf(lab, [FOREIGN_TABLE]), "", { equals: FOREIGN_TABLE });
    const routes = await command(["ip", "-n", rack.namespaces.name(NODE), "route", "show", FOREIGN_ROUTE]);
    lab.expect("foreign route", routes.split(" ")[0] ?? "", "", { equals: FOREIGN_ROUTE });
  },
};

async function addForeign(lab: Lab): Promise<void> {
  const namespace = lab.rack.namespaces.name(NODE);
  for (const address of FOREIGN_ADDRESSES) {
    await command(["ip", "-n", namespace, "addr", "add", address, "dev", LAN_INTERFACE]);
  }
  await command(["ip", "-n", namespace, "route", "add", FOREIGN_ROUTE, "dev", LAN_INTERFACE]);
  await tables(lab, "add", [FOREIGN_TABLE]);
}

const vipsOf = async (lab: Lab): Promise<readonly string[]> =>
  (await onLan(lab)).filter((address) => !FOREIGN_ADDRESSES.includes(address));
const foreignAddresses = async (lab: Lab): Promise<readonly string[]> =>
  (await onLan(lab)).filter((address) => FOREIGN_ADDRESSES.includes(address));

/** Addresses on the segment's interface that the rack did not put there. */
async function onLan({ rack }: Lab): Promise<readonly string[]> {
  const all = await rack.node(NODE).vips();
  return all.filter((one) => one.startsWith(`${LAN_INTERFACE} `)).map((one) => one.slice(LAN_INTERFACE.length + 1));
}

const tablesOf = (lab: Lab, names: readonly string[]): Promise<string> => tables(lab, "list", names);

async function tables({ rack }: Lab, action: "add" | "list", names: readonly string[]): Promise<string> {
  const inside = ["ip", "netns", "exec", rack.namespaces.name(NODE), process.execPath, TABLES];
  return (await command([...inside, action, ...names])).trim();
}

function fileOf(relative: string): string {
  return new URL(relative, import.meta.url).pathname;
}
