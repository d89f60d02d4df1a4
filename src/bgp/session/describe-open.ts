import type { Ipv4 } from "../../addr/ip.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { Asn } from "../wire/asn.ts";
import type { Capability } from "../wire/capabilities.ts";
import { familyFromCodes } from "../wire/families.ts";
import { HEADER_LENGTH } from "../wire/framing.ts";
import { decodeMessage } from "../wire/message.ts";
import { shownText } from "../wire/shown-text.ts";
import { asnOfOpen } from "../wire/open.ts";
import type { Kept } from "./message-ledger.ts";
import { hex } from "./recording-json.ts";

/** An OPEN for an operator. */
export interface OpenSummary {
  readonly at: Date;
  readonly asn: Asn | null;
  readonly identifier: Ipv4 | null;
  readonly holdTimeSeconds: number | null;
  /** One text for each; fit to be shown, whatever the peer wrote. */
  readonly capabilities: readonly string[];
  /** The message without its header. */
  readonly hex: string;
}

const NO_CONTEXT = { fourOctetAs: true, external: true, families: [] } as const;

/** What an OPEN says; of one that does not decode only the octets. */
export function summarizeOpen({ octets, time }: Kept): OpenSummary {
  const raw = { at: time, hex: hex(octets.subarray(HEADER_LENGTH)) };
  const decoded = decodeMessage(octets, NO_CONTEXT);
  if (decoded.kind === "fault" || decoded.message.type !== "open") {
    return { ...raw, asn: null, identifier: null, holdTimeSeconds: null, capabilities: [] };
  }
  const open = decoded.message;
  const { identifier, holdTimeSeconds, capabilities } = open;
  return { ...raw, asn: asnOfOpen(open), identifier, holdTimeSeconds, capabilities: capabilities.map(capabilityText) };
}

export function capabilityText(capability: Capability): string {
  switch (capability.kind) {
    case "multiprotocol":
      return `multiprotocol ${familyText(capability)}`;
    case "route-refresh":
    case "extended-message":
    case "enhanced-route-refresh":
    case "bfd-strict":
    case "link-local-next-hop":
      return capability.kind;
    case "extended-next-hop":
      return withList(
        "extended-next-hop",
        capability.entries,
        (entry) => `${familyText(entry)} by AFI ${entry.nextHopAfi}`,
      );
    case "role":
      return `role ${capability.role}`;
    case "graceful-restart": {
      const { restarting, notification, restartTimeSeconds, families } = capability;
      const flags = `${restarting ? " restarting" : ""}${notification ? " notification" : ""}`;
      return withList(`graceful-restart ${restartTimeSeconds}s${flags}`, families, familyAndForwarding);
    }
    case "four-octet-as":
      return `four-octet-as ${capability.asn}`;
    case "add-path":
      return withList("add-path", capability.families, (family) => `${familyText(family)} ${family.mode}`);
    case "long-lived-graceful-restart":
      return withList(
        "long-lived-graceful-restart",
        capability.families,
        (family) => `${familyAndForwarding(family)} ${family.staleSeconds}s`,
      );
    case "fqdn":
      return `fqdn ${[capability.host, capability.domain].map(shownText).filter(Boolean).join(".")}`;
    case "software-version":
      return `software-version ${shownText(capability.version)}`;
    case "unknown":
      return `code ${capability.code} 0x${hex(capability.value)}`;
    default:
      return unreachable(capability);
  }
}

interface FamilyCodes {
  readonly afi: number;
  readonly safi: number;
}

const familyText = ({ afi, safi }: FamilyCodes): string => familyFromCodes(afi, safi) ?? `AFI ${afi} SAFI ${safi}`;

const familyAndForwarding = (family: FamilyCodes & { readonly forwarding: boolean }): string =>
  `${familyText(family)}${family.forwarding ? " forwarding" : ""}`;

const withList = <T>(head: string, items: readonly T[], text: (item: T) => string): string =>
  items.length === 0 ? head : `${head} (${items.map(text).join(", ")})`;
