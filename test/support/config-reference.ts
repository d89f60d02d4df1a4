import * as z from "zod";
import { KUBE_VIP_ONLY } from "../../src/config/kube-vip-only.ts";
import { type Option, options, sections } from "../../src/config/options.ts";
import { Config } from "../../src/config/schema.ts";
import { bgpReference, defaultText } from "./bgp-reference.ts";

/** `docs/config.md`, drawn from the schema. */
export function configReference(): string {
  return [INTRODUCTION, ...sections.map(sectionText), bgpReference(), kubeVipSection()].join("\n");
}

/** JSON Schema of the file, for editors. */
export const configJsonSchema = (): string => `${JSON.stringify(z.toJSONSchema(Config, { io: "input" }), null, 2)}\n`;

/** The file that the introduction shows; a test loads it. */
export const EXAMPLE = `mode: bgp
controlPlane:
  enabled: true
  addresses: [10.0.0.10, "2001:db8::10"]
services:
  enabled: true
bgp:
  localAs: 65000
  peers:
    - name: tor-1
      address: 10.0.0.1
      as: 65001
      holdTimeSeconds: 6
      families: [ipv4, ipv6]
      nextHop: {ipv6: "2001:db8::5"}
    - 10.0.0.2:65001
`;

const INTRODUCTION = `# Configuration

Written by a test from the schema in \`src/config/schema.ts\`; change it there.

Every setting has a key in the YAML file of \`--config FILE\`, an environment variable, and most have a flag. Flags and
environment variables have kube-vip's names and read values as kube-vip does (booleans as Go: \`1 t T TRUE true True\`,
\`0 f F FALSE false False\`). Names that begin with \`vipcast_\` are ours.

**Precedence**: flag, environment, file, default; each setting by itself. (kube-vip lets the environment win over flags.)
An empty variable counts as unset. \`vipcast config\` prints the effective settings and where each came from.

**Unknown names**: a key of the file that is not known is an error with its line and the nearest known key; so is an
unknown flag. An environment variable that begins like a setting (\`vip_\`, \`bgp_\`, \`svc_\`, \`cp_\`, \`lb_\`, …) and is
none gets one warning.

**Differences from kube-vip** in what the same names mean:

| | kube-vip | vipcast |
| --- | --- | --- |
| control-plane health check | off | on: \`https://127.0.0.1:<port>/readyz\`, every 0.2 s, withdrawn after 3 failures; off with \`vipcast_control_plane_health_check=false\`, \`--controlPlaneHealthCheck=false\`, or \`controlPlane.healthCheck.enabled: false\` |
| \`bgp_hold_time\` not set | 30 s | 9 s |
| \`svc_*\`, \`lb_class_*\` in the environment | only with \`svc_enable\` in the environment | always |
| \`--bgppeers\`, \`--peerAddress\`, … | for manifests only | for the daemon, too |
| port in the text of a peer | ignored | used |
| \`vip_cidr\` | ignored | the same as \`vip_subnet\`, with a warning |
| \`prometheus_server=off\` | an error | turns the metrics off |

An example of the file:

\`\`\`yaml
${EXAMPLE}\`\`\`

\`docs/config.schema.json\` is the JSON Schema of the file, for editors.
`;

function sectionText({ path, description, keys }: (typeof sections)[number]): string {
  const own = options.filter((option) => option.path.length === path.length + 1 && startsWith(option.path, path));
  const title = path.length === 0 ? "## Top level" : `## \`${path.join(".")}\``;
  const listed = own.filter(({ path: leaf }) => keys.includes(leaf.at(-1)!));
  if (listed.length === 0) return `${title}\n\n${description}\n`;
  return [
    title,
    "",
    ...(description === "" ? [] : [description, ""]),
    "| key | flag | environment | default | meaning |",
    "| --- | --- | --- | --- | --- |",
    ...listed.map(optionRow),
    "",
  ].join("\n");
}

const startsWith = (path: readonly string[], head: readonly string[]): boolean =>
  head.every((key, index) => path[index] === key);

function optionRow(option: Option): string {
  const flag = option.flag === undefined ? "–" : `\`${option.flag === "namespace" ? "-n, " : ""}--${option.flag}\``;
  const env = option.env.map((name) => `\`${name}\``).join(", ");
  return `| \`${option.path.at(-1)}\` | ${flag} | ${env} | ${defaultText(option.fallback)} | ${option.description} |`;
}

function kubeVipSection(): string {
  const rows = (verdict: "ignored" | "refused"): string[] =>
    KUBE_VIP_ONLY.filter((it) => it.verdict === verdict).map(
      ({ flag, env, because }) =>
        `| ${flag === null ? "–" : `\`--${flag}\``} | ${env === null ? "–" : `\`${env}\``} | ${because} |`,
    );
  const head = ["| flag | environment | |", "| --- | --- | --- |"];
  return [
    "## Names of kube-vip that are not settings here",
    "",
    "A value that equals kube-vip's default asks for nothing and is passed over.",
    "",
    "Refused, because a cluster would be less safe or unreachable without them:",
    "",
    ...head,
    ...rows("refused"),
    "",
    "Accepted, with one warning:",
    "",
    ...head,
    ...rows("ignored"),
    "",
  ].join("\n");
}
