import type { Command } from "commander";
import { parseIp } from "../addr/ip.ts";
import type { StatusReport, VipReport } from "../status/report.ts";
import { socketOption, withReport } from "./daemon-report.ts";
import { wrap } from "./table.ts";

/** Adds `vipcast explain`: exit code 0 announced here, 3 not announced here, 1 unknown or no daemon. */
export function registerExplain(program: Command): void {
  program
    .command("explain")
    .description("say why a VIP is or is not announced by this node")
    .argument("<vip>", "an address, namespace/name of a Service, or control-plane")
    .option("-o, --output <format>", "text or json", "text")
    .addOption(socketOption())
    .addHelpText(
      "after",
      "\nExit codes: 0 announced by this node, 3 not announced by it,\n  1 unknown VIP or no daemon, 2 wrong usage.\n\nExample:\n  vipcast explain default/web",
    )
    .action(async (wanted: string, options: { output: string; socket?: string }, command: Command) => {
      if (options.output !== "text" && options.output !== "json") {
        command.error(`error: unknown format '${options.output}': use text or json`, { exitCode: 2 });
      }
      await withReport(options.socket, (report) => {
        const found = select(report, wanted);
        if (found.length === 0) {
          process.stderr.write(`vipcast: ${unknown(report, wanted)}\n`);
          return 1;
        }
        const text =
          options.output === "json"
            ? JSON.stringify(found, null, 2)
            : found.map((vip) => explain(report, vip)).join("\n\n");
        process.stdout.write(`${text}\n`);
        return found.some((vip) => vip.announced) ? 0 : 3;
      });
    });
}

export function select(report: StatusReport, wanted: string): VipReport[] {
  const address = parseIp(wanted);
  return report.vips.filter((vip) => (address === null ? vip.owner === wanted : vip.address === address));
}

export function explain(report: StatusReport, vip: VipReport): string {
  const decisive = vip.gates.find((gate) => !gate.open);
  const lines = [
    `${vip.address ?? "(no address)"} of ${vip.owner}`,
    `  ${report.node} ${vip.announced ? `announces it by ${pathText(report, vip)}` : "does not announce it"}`,
    "",
  ];
  for (const gate of vip.gates) {
    const mark = gate.open ? "ok  " : gate === decisive ? "STOP" : "no  ";
    const [first = "", ...rest] = wrap(gate.fact, 58);
    lines.push(`  ${mark}  ${gate.gate.padEnd(11)} ${first}`, ...rest.map((line) => `${" ".repeat(20)}${line}`));
  }
  if (decisive?.hint) lines.push("", ...wrap(`To change that: ${decisive.hint}.`, 76).map((line) => `  ${line}`));
  return lines.join("\n");
}

/** How this node makes the VIP reachable. */
export function pathText({ routeTable }: StatusReport, { path }: VipReport): string {
  if (path === "table") return `table ${routeTable?.table}`;
  return path === "bgp" ? "BGP" : "ARP/NDP";
}

export function unknown(report: StatusReport, wanted: string): string {
  const known = report.vips.map((vip) => vip.address ?? vip.owner);
  const listed =
    known.length === 0
      ? "it knows no VIP"
      : `it knows ${known.slice(0, 5).join(", ")}${known.length > 5 ? ` and ${known.length - 5} more` : ""}`;
  const service = report.vips.find(({ owner }) => owner.endsWith(`/${wanted}`));
  const hint = service
    ? `Did you mean ${service.owner}?`
    : "A Service is listed when its type is LoadBalancer or it names an address";
  return `the daemon on ${report.node} knows no VIP "${wanted}"; ${listed}. ${hint}`;
}
