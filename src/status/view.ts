import * as z from "zod";
import { StatusReport, Vip } from "./report.ts";

/** What one daemon says of one VIP: `GET /explain?vip=…`. A whole status has thousands of them. */
export const VipView = z.strictObject({
  version: z.string(),
  node: z.string(),
  routeTable: StatusReport.shape.routeTable,
  vips: z
    .array(
      Vip.extend({
        gates: z.array(
          Vip.shape.gates.element.extend({ object: z.string().describe("What the gate looks at: object and field.") }),
        ),
        peers: z
          .array(z.strictObject({ peer: z.string(), told: z.boolean(), reason: z.string().nullable() }))
          .describe("Of a route: which peers have been told of it, and why others have not."),
      }),
    )
    .describe("One for each address; empty when the daemon knows no such VIP."),
});
export type VipView = z.output<typeof VipView>;

/** Where the daemons of the other nodes are asked: `GET /nodes`, on the local socket only. */
export const NodeList = z.strictObject({
  node: z.string().describe("This one."),
  port: z.number().nullable().describe("Of `prometheus_server`, as this node has it; null when it is turned off."),
  nodes: z.array(z.strictObject({ name: z.string(), address: z.string().nullable() })),
});
export type NodeList = z.output<typeof NodeList>;
