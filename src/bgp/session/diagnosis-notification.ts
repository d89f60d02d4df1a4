import { type BgpFault, describeFault, notificationOf } from "../wire/faults.ts";
import { describeNotification, type Notification } from "../wire/notification.ts";
import type { Diagnosis, DiagnosisFacts } from "./diagnosis.ts";

/** The fix of what only the other side's programmers can mend. */
const RECORD = "write a recording (`vipcast peer NAME --record FILE`) and show it to the vendor of the router";

/** RFC 8538 §3: a hard reset wraps the code, subcode and data of the real reason. */
function unwrapped(notification: Notification): Notification {
  const { code, subcode, data } = notification;
  if (code !== 6 || subcode !== 9 || data.length < 2) return notification;
  return { type: "notification", code: data[0]!, subcode: data[1]!, data: data.subarray(2) };
}

const key = ({ code, subcode }: Notification): string => `${code}/${subcode}`;

/** Why we have ended the last connection; null when that was nobody's fault. */
export function sent(fault: BgpFault, facts: DiagnosisFacts): Diagnosis | null {
  const { peer, routerId } = facts;
  const notification = unwrapped(notificationOf(fault));
  const words = describeFault(fault);
  switch (key(notification)) {
    case "2/2": {
      if (fault.kind !== "open.bad-peer-as") break;
      return {
        cause: "wrong-as",
        problem: `${peer.address} is in AS ${fault.received}, not ${asText(facts)}`,
        fix: `set this peer's as to ${fault.received} here, or correct the router`,
      };
    }
    case "2/3":
      return {
        cause: "router-id",
        problem: `${peer.address} has our own BGP identifier ${routerId}, or none`,
        fix: "give this node or the router another router id (routerId here)",
      };
    case "2/6":
      return {
        cause: "hold-time",
        problem: `the router's hold time is not accepted here: ${words}`,
        fix: "raise the hold time of this neighbour on the router, or lower minHoldTimeSeconds of this peer",
      };
    case "2/7":
      return {
        cause: "capability",
        problem: `the router does not offer what is required here: ${words}`,
        fix: "enable it for this neighbour on the router, or take it from requiredFamilies of this peer",
      };
    case "2/11":
      return {
        cause: "role",
        problem: `the roles of the two sides do not fit: ${words}`,
        fix: "set roles that belong together on both sides (provider and customer, peer and peer), or none (role of this peer)",
      };
    case "2/1":
      return { cause: "version", problem: `the router speaks another BGP: ${words}`, fix: RECORD };
    case "4/0":
      if (facts.establishedCount === 0) {
        return {
          cause: "hold-timer",
          problem: `TCP with ${peer.address} opens, and then the router is not heard any more`,
          fix: "look for TTL security that only the router has, and for a path that loses large packets (MTU)",
        };
      }
      return {
        cause: "hold-timer",
        problem: `nothing was heard from ${peer.address} for the hold time`,
        fix: "look at the link and at the router; it is tried again by itself",
      };
    case "8/0":
      return {
        cause: "hold-timer",
        problem: `${peer.address} has taken nothing that was sent to it for a long time`,
        fix: "look at the router: its BGP process hangs, or the link loses what is long",
      };
    case "6/1":
      return {
        cause: "prefix-limit",
        problem: `${peer.address} announced more prefixes than are allowed`,
        fix: "have the router announce fewer, or raise maxPrefixes of this peer",
      };
    case "6/10":
      return {
        cause: "bfd",
        problem: `BFD has lost ${peer.address}`,
        fix: "look at the link and at the router; the session comes back by itself",
      };
  }
  // What we end ourselves, by setting or on stopping, needs no repair.
  if (notification.code === 6) return null;
  return { cause: "malformed", problem: `the router sent what BGP does not allow: ${words}`, fix: RECORD };
}

/** Why the router has ended the last connection. */
export function received(notification: Notification, facts: DiagnosisFacts): Diagnosis {
  const { peer, localAsn, routerId } = facts;
  const said = `the router says "${describeNotification(notification)}"`;
  const reason = unwrapped(notification);
  switch (key(reason)) {
    case "2/2":
      return {
        cause: "wrong-as",
        problem: `${peer.address} expects this node in another AS than ${localAsn}`,
        fix: `set the AS of this neighbour to ${localAsn} on the router, or localAs here`,
      };
    case "2/3":
      return {
        cause: "router-id",
        problem: `${peer.address} refuses the BGP identifier ${routerId}: it has it itself, or does not like it`,
        fix: "set another routerId here; every node and router needs its own",
      };
    case "2/4":
      return {
        cause: "capability",
        problem: "the router does not understand capabilities (RFC 5492)",
        fix: "update the router's software",
      };
    case "2/5":
      return { cause: "authentication", problem: said, fix: "set the same password on the router and here" };
    case "2/6":
      return {
        cause: "hold-time",
        problem: "the router refuses our hold time",
        fix: "raise holdTimeSeconds of this peer, or lower the least hold time on the router",
      };
    case "2/7":
      return {
        cause: "capability",
        problem: `the router demands what is not offered here${capabilitiesIn(reason.data)}`,
        fix: "enable it for this peer here, or do not require it on the router",
      };
    case "2/11":
      return {
        cause: "role",
        problem: "the router has another role in mind for this node",
        fix: "set roles that belong together on both sides (provider and customer, peer and peer), or none",
      };
    case "4/0":
      return {
        cause: "hold-timer",
        problem: `${peer.address} has heard nothing from this node for the hold time`,
        fix: "look for lost packets on the link and for load on this node",
      };
    case "6/1":
      return {
        cause: "prefix-limit",
        problem: `this node announces more prefixes than ${peer.address} takes`,
        fix: "raise the prefix limit of this neighbour on the router",
      };
    case "6/2":
      return { cause: "shut-down", problem: said, fix: "enable the neighbour on the router" };
    case "6/3":
      return { cause: "shut-down", problem: said, fix: "configure the neighbour on the router again" };
    case "6/4":
    case "6/6":
      return { cause: "shut-down", problem: said, fix: "nothing: it is tried again by itself" };
    case "6/5":
      return {
        cause: "rejected",
        problem: said,
        fix: `allow ${facts.localAddress ?? "this node"} (AS ${localAsn}) on the router, and check its limit of dynamic neighbours`,
      };
    case "6/7":
      return { cause: "collision", problem: said, fix: "nothing: the other connection is the session" };
    case "6/8":
      return { cause: "router-resources", problem: said, fix: "look at memory and load of the router" };
    case "6/10":
      return {
        cause: "bfd",
        problem: `${peer.address} has lost this node by BFD`,
        fix: "look for lost packets on the link; with short BFD intervals, raise them",
      };
    default:
      return { cause: "malformed", problem: `${said} to what this node sent`, fix: RECORD };
  }
}

function asText({ peer, localAsn }: DiagnosisFacts): string {
  if (peer.asn === "external") return `another than ours (${localAsn})`;
  return String(peer.asn === "internal" ? localAsn : peer.asn);
}

/** RFC 5492 §5: the data holds the capabilities that are missed, each as code, length and value. */
function capabilitiesIn(data: Uint8Array): string {
  const codes: number[] = [];
  for (let at = 0; at + 1 < data.length && codes.length < 8; at += 2 + data[at + 1]!) codes.push(data[at]!);
  return codes.length === 0 ? "" : `: capability ${codes.join(", ")}`;
}
