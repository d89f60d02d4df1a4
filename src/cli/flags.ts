import { Option } from "commander";
import { KUBE_VIP_ONLY } from "../config/kube-vip-only.ts";
import { options } from "../config/options.ts";
import { knownFlags } from "../config/read-names.ts";
import { wrap } from "./table.ts";

/**
 * The flags that are settings: kube-vip's, with its names and its reading of them, and ours. They may stand before or
 * after any command, as with kube-vip.
 */

/** Collects the settings' flags of one command line. */
export class FlagValues {
  readonly values: Record<string, string> = {};

  /** One option per flag, hidden from the lists of the help: there are seventy. */
  options(): Option[] {
    return [...knownFlags()].map(([name, form]) => {
      const names = name === "namespace" ? `-n, --${name}` : `--${name}`;
      return new Option(`${names} <${form}>`).hideHelp().argParser((text: string) => {
        const before = this.values[name];
        // A list may be given in pieces; of anything else the last one counts.
        this.values[name] = form === "list" && before !== undefined ? `${before},${text}` : text;
      });
    });
  }
}

/** Flags of commands, not settings, that are true without a value. */
export const COMMAND_SWITCHES = ["inCluster", "taint", "role", "rolebinding"] as const;

/**
 * The command line as commander reads it the way Go's flag package would: a boolean flag alone is "true" and never takes
 * the next word, and `-n=x` is `-n x`.
 */
export function normalizeArguments(words: readonly string[]): string[] {
  const switches = new Set<string>(COMMAND_SWITCHES);
  for (const [name, form] of knownFlags()) if (form === "bool") switches.add(name);
  const end = words.indexOf("--");
  return words.flatMap((word, index) => {
    if (end >= 0 && index >= end) return [word];
    if (word.startsWith("-n=")) return ["-n", word.slice(3)];
    return word.startsWith("--") && switches.has(word.slice(2)) ? [`${word}=true`] : [word];
  });
}

/** The settings' flags for a help text of 80 columns. */
export function flagsHelp(): string {
  const missing = (verdict: "ignored" | "refused"): string =>
    KUBE_VIP_ONLY.flatMap((it) => (it.flag === null || it.verdict !== verdict ? [] : [`--${it.flag}`])).join(", ");
  const lines = options.flatMap(({ flag, form, description }) => {
    if (flag === undefined) return [];
    const term = `  ${flag === "namespace" ? "-n, " : ""}--${flag}${form === "bool" ? "" : ` <${form}>`}`;
    return [term, ...wrap(description.replaceAll("`", ""), 72).map((line) => `      ${line}`)];
  });
  return [
    "",
    "Settings (also as environment variables and in the file: docs/config.md):",
    "  --config <file>",
    "      YAML file; flags and environment outrank it.",
    "  --arp, --bgp, --table",
    "      kube-vip's ways to say --mode arp, --mode bgp and --mode table.",
    "  --vip <list>",
    "      Older name of --address.",
    "  --peerAddress <text>, --peerAS <integer>, --peerPass <text>, --multihop",
    "      One more BGP peer.",
    ...lines,
    "",
    ...wrap(`Flags of kube-vip that are refused, because the cluster would rely on them: ${missing("refused")}.`, 80),
    ...wrap(`Flags of kube-vip that are accepted with a warning: ${missing("ignored")}.`, 80),
  ].join("\n");
}
