import * as z from "zod";
import { parsePrefix, type Prefix, prefixFamily, prefixLength } from "../addr/prefix.ts";
import { parseCommunity, parseExtendedCommunity, parseLargeCommunity } from "../base/communities.ts";
import { bool, hostAddress, namespaceName, text, wholeNumber } from "./leaves.ts";

/** What peers are told and what is taken from them. */

const prefix = () =>
  text().transform((value, context): Prefix => {
    const parsed = parsePrefix(value);
    if (parsed !== null) return parsed;
    context.addIssue({ code: "custom", message: `must be a prefix such as 10.0.0.0/8 (got "${value.slice(0, 60)}")` });
    return z.NEVER;
  });

/** Text that `parse` understands. */
const readable = (parse: (text: string) => unknown, must: string) =>
  text().refine((value) => parse(value) !== null, must);

/** No router takes more in one message, and nobody writes more. */
const COMMUNITIES_MAX = 64;
const RULES_MAX = 256;

const list = <S extends z.ZodType>(entry: S, max: number) =>
  z.array(entry, { error: "must be a list" }).max(max, `must have at most ${max} entries`);

const ImportRule = z
  .strictObject({
    prefix: prefix().describe("Routes within this prefix."),
    maxLength: wholeNumber(0, 128).optional().describe("Longest prefix taken. Left out: that of `prefix`."),
  })
  .refine((it) => it.maxLength === undefined || it.maxLength <= (prefixFamily(it.prefix) === 4 ? 32 : 128), {
    error: "an IPv4 prefix has at most 32 bits",
    path: ["maxLength"],
  })
  .refine((it) => it.maxLength === undefined || it.maxLength >= prefixLength(it.prefix), {
    error: "must not be shorter than the prefix",
    path: ["maxLength"],
  });

export const Import = z.strictObject({
  accept: list(ImportRule, RULES_MAX).default([]).describe("Routes that may be used; all others are kept out."),
  honourGracefulShutdown: bool()
    .default(true)
    .describe("A route with GRACEFUL_SHUTDOWN gets local preference 0 (RFC 8326)."),
});

export const ExportRule = z.strictObject({
  prefixes: list(prefix(), RULES_MAX).optional().describe("VIPs within any of these. Left out: all."),
  kind: z
    .enum(["control-plane", "services"], { error: "must be control-plane or services" })
    .optional()
    .describe("VIPs of the control plane, or of Services."),
  namespaces: list(namespaceName(), RULES_MAX).optional().describe("Services of these namespaces."),
  services: list(text().regex(/^[^/\s]+\/[^/\s]+$/, "must be namespace/name"), RULES_MAX)
    .optional()
    .describe("These Services, `namespace/name`."),
  labels: z
    .record(text(), text(), { error: "must be a map of texts" })
    .optional()
    .describe("Services that carry all of these labels."),
  action: z
    .enum(["announce", "refuse"], { error: "must be announce or refuse" })
    .default("announce")
    .describe("`refuse`: the peer is not told."),
  communities: list(readable(parseCommunity, "must be a community such as 65000:100 or no-export"), COMMUNITIES_MAX)
    .optional()
    .describe("Added (RFC 1997)."),
  largeCommunities: list(
    readable(parseLargeCommunity, "must be a large community such as 4200000000:1:2"),
    COMMUNITIES_MAX,
  )
    .optional()
    .describe("Added (RFC 8092)."),
  extendedCommunities: list(
    readable(parseExtendedCommunity, "must be an extended community such as rt:65000:100 or 0x and 16 digits"),
    COMMUNITIES_MAX,
  )
    .optional()
    .describe("Added (RFC 4360)."),
  localPreference: wholeNumber(0, 4_294_967_295).optional().describe("For internal peers; 100 otherwise."),
  med: wholeNumber(0, 4_294_967_295).optional().describe("MULTI_EXIT_DISC; lower is better."),
  prepend: wholeNumber(0, 64).optional().describe("How often our AS is put in front once more."),
  nextHop: hostAddress().optional().describe("Next hop of the routes of its family."),
});
export type ExportRule = z.output<typeof ExportRule>;

export const Export = z.strictObject({
  rules: list(ExportRule, RULES_MAX).default([]).describe("The first rule that matches decides."),
  otherwise: z
    .enum(["announce", "refuse"], { error: "must be announce or refuse" })
    .default("announce")
    .describe("What happens to VIPs that no rule matches."),
});
