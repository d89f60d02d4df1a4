import * as z from "zod";
import { routeTypeOf } from "../addr/route-type.ts";
import { bool, wholeNumber } from "./leaves.ts";
import { named } from "./option-names.ts";

/** RT_TABLE_LOCAL: what is there is this machine's own, and the kernel looks there first. */
const LOCAL_TABLE = 255;
/** The kernel's own marks, below RTPROT_STATIC. */
const KERNEL_PROTOCOL = 2;

const TYPES_EXPECTED = "must be 1 (unicast), 2 (local), 6 (blackhole), 7 (unreachable) or 8 (prohibit)";

export const RouteTable = z.strictObject({
  table: named(
    wholeNumber(1, 4_294_967_295)
      .refine((value) => value !== LOCAL_TABLE, "must not be 255: that is the kernel's table of its own addresses")
      .default(198)
      .describe("Number of the kernel's routing table that gets a route to each VIP; 254 is the main table."),
    { form: "integer", flag: "tableID", env: ["vip_routingtableid"] },
  ),
  protocol: named(
    wholeNumber(0, 255)
      .refine((value) => value !== KERNEL_PROTOCOL, "must not be 2: that is the kernel's own")
      .default(248)
      .describe("Protocol number of the routes, which tells them from all others; 0 is taken for 1, as by kube-vip."),
    { form: "integer", flag: "routingProtocol", env: ["vip_routingprotocol"] },
  ),
  type: named(
    z
      .int({ error: TYPES_EXPECTED })
      .refine((value) => routeTypeOf(value) !== null, TYPES_EXPECTED)
      .default(1)
      .describe("Type of the routes: 1 unicast, 2 local, 6 blackhole, 7 unreachable, 8 prohibit."),
    { form: "integer", flag: "tableType", env: ["vip_routingtabletype"] },
  ),
  clean: named(
    bool()
      .default(false)
      .describe(
        "On start, remove the table's routes of this protocol that are nobody's. The daemon's own of an earlier run always go.",
      ),
    { form: "bool", flag: "cleanRoutingTable", env: ["vip_cleanroutingtable"] },
  ),
  keepOnStop: named(
    bool()
      .default(false)
      .describe(
        "Leave the routes that every node has, and their addresses, for the next start: when the daemon stops on a node that is Ready and not cordoned.",
      ),
    { form: "bool", env: ["vipcast_routing_table_keep_on_stop"] },
  ),
});
