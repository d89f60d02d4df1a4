import type { Command } from "commander";
import { stringify } from "yaml";
import type { PeerReport, StatusReport, VipReport } from "../status/report.ts";
import { socketOption, withReport } from "./daemon-report.ts";
import { pathText } from "./path-text.ts";
import { duration, table, wrap } from "./table.ts";

const FORMATS = ["table", "wide", "json", "yaml"] as const;
type Format = (typeof FORMATS)[number];

/** What the table fits into; `wide` does not. */
const COLUMNS = 80;

/** Adds `vipcast status`: exit code 0 fine, 1 no daemon, 2 wrong usage, 3 running but something is wrong. */
export function registerStatus(program: Command): void {
  program
    .command("status")
    .description("show peers, VIPs and this node's role, as the running daemon sees them")
    .option("-o, --output <format>", `${FORMATS.join(", ")}; json has a published schema`, "table")
    .option("-w, --watch", "print again every two seconds until interrupted")
    .addOption(socketOption())
    .addHelpText(
      "after",
      "\nExit codes: 0 all is well, 1 no daemon, 2 wrong usage,\n  3 running, but something is not as it should be.\n\nExample:\n  vipcast status -o json",
    )
    .action(async (options: { output: string; watch?: boolean; socket?: string }, command: Command) => {
      const format = FORMATS.find((it) => it === options.output);
      if (!format)
        command.error(`error: unknown format '${options.output}': use one of ${FORMATS.join(", ")}`, { exitCode: 2 });
      if (options.watch) await watch(format, options.socket);
      else {
        await withReport(options.socket, (report) => {
          process.stdout.write(`${render(report, format)}\n`);
          return report.healthy ? 0 : 3;
        });
      }
    });
}

/** Ends when there is no daemon at the beginning; one that goes later may come back, as in an upgrade. */
async function watch(format: Format, socket: string | undefined): Promise<void> {
  const { pause } = await import("../daemon/pause.ts");
  for (let seen = false; ;) {
    const code = await withReport(socket, (report) => {
      process.stdout.write(`${process.stdout.isTTY ? "\u001B[H\u001B[2J" : ""}${render(report, format)}\n`);
      return 0;
    });
    seen ||= code === 0;
    if (!seen) return;
    await pause(2_000);
  }
}

export function render(report: StatusReport, format: Format): string {
  switch (format) {
    case "json":
      return JSON.stringify(report, null, 2);
    case "yaml":
      return stringify(report).trimEnd();
    case "table":
    case "wide":
      return renderText(report, format === "wide");
  }
}

function renderText(report: StatusReport, wide: boolean): string {
  const { kubernetes: kube, apiServerProbe: probe } = report;
  const lines = [
    ...field("Node", `${report.node}: ${report.role}`),
    ...field(
      "Mode",
      `${report.mode}${modeNote(report)}, up ${duration(report.uptimeSeconds)}, vipcast ${report.version}`,
    ),
    ...field("Kubernetes", kube.error ?? `${kube.synced ? "in step" : "reading the first lists"} (${kube.server})`),
    ...(probe.state === "off" ? [] : field("API server", `${probe.state}: ${probe.detail}`)),
    ...(report.backends.length === 0 ? [] : field("Balancer", backendsText(report.backends))),
    "",
    ...(report.peers.length > 0 ? [peerTable(report.peers, wide), ""] : []),
    ...report.peers.flatMap(peerNotes),
    report.vips.length === 0 ? noVips(kube.synced) : vipTable(report, wide),
  ];
  if (report.leases.length > 0 && wide) {
    lines.push(
      "",
      table(
        ["LEASE", "HOLDER", "THIS NODE"],
        report.leases.map((it) => [
          it.lease,
          it.holder ?? "-",
          it.isHolder ? "holds it" : it.stands ? "stands" : "does not stand",
        ]),
      ),
    );
  }
  const diagnosed = report.peers.filter(({ diagnosis }) => diagnosis !== null).map(({ name }) => `peer ${name} `);
  const problems = report.problems.filter((problem) => !diagnosed.some((peer) => problem.startsWith(peer)));
  if (problems.length > 0) lines.push("");
  for (const problem of problems)
    lines.push(...wrap(problem, 78).map((line, index) => `${index === 0 ? "!" : " "} ${line}`));
  return lines
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trimEnd();
}

function modeNote({ fallback, routeTable }: StatusReport): string {
  if (routeTable !== null) return ` (${routeTable.table}, protocol ${routeTable.protocol}, ${routeTable.type})`;
  return fallback ? " (fallback to ARP and NDP)" : "";
}

function field(name: string, value: string): string[] {
  return wrap(value, 66).map((line, index) => `${(index === 0 ? `${name}:` : "").padEnd(12)}${line}`);
}

function peerTable(peers: readonly PeerReport[], wide: boolean): string {
  const header = ["PEER", "AS", "STATE", "SINCE", "SENT"];
  return table(
    wide ? [...header, "RECEIVED", "HOLD", "BFD", "LOCAL ADDRESS", "FAMILIES"] : header,
    peers.map((peer) => [
      peer.name === peer.address ? peer.address : `${peer.name} (${peer.address})`,
      String(peer.asn),
      peer.state,
      duration(peer.sinceSeconds),
      String(peer.prefixesSent),
      ...(wide
        ? [
            `${peer.prefixesReceived}${peer.prefixesStale === 0 ? "" : ` (${peer.prefixesStale} stale)`}`,
            peer.holdTimeSeconds === null ? "-" : `${peer.holdTimeSeconds}s`,
            peer.bfd?.state ?? "-",
            peer.localAddress ?? "-",
            peer.families.join(",") || "-",
          ]
        : []),
    ]),
  );
}

/**
 * What the table of peers has no room for. Why a session is not up stands here with its remedy; where that is not known,
 * among the problems.
 */
function peerNotes({ name, diagnosis, notAnnounced, bfd }: PeerReport): string[] {
  const notes = [
    ...(diagnosis === null ? [] : [`! ${name}: ${diagnosis.problem}`, `  to do: ${diagnosis.fix}`]),
    ...notAnnounced.map(({ family, reason }) => `  ${name}: ${family} is not announced: ${reason}`),
    ...(bfd?.state === "down" && diagnosis?.cause !== "bfd" ? [`! ${name}: BFD is down`] : []),
  ];
  const lines = notes.flatMap((note) =>
    wrap(note.slice(2), 76).map((line, index) => `${index === 0 ? note.slice(0, 2) : "  "}${line}`),
  );
  return lines.length > 0 ? [...lines, ""] : [];
}

const noVips = (synced: boolean): string =>
  synced
    ? "No VIPs: no control-plane address is set, and no Service asks for one."
    : "No VIPs yet: no control-plane address is set, and the Services are not known.";

function vipTable(report: StatusReport, wide: boolean): string {
  const rows = report.vips.map((vip) => {
    const why = vip.announced ? `by this node, ${pathText(report, vip)}` : decision(vip);
    return { address: vip.address ?? "-", owner: vip.owner, here: vip.announced ? "yes" : "no", why };
  });
  const ownerWidth = wide ? Infinity : roomForOwner(Math.max(...rows.map(({ address }) => address.length)));
  return table(
    ["VIP", "OWNER", "HERE", "WHY"],
    rows.map(({ address, owner, here, why }) => [address, shorten(owner, ownerWidth), here, why]),
  )
    .split("\n")
    .map((line) => (wide ? line : ellipsis(line, COLUMNS)))
    .join("\n");
}

/**
 * A Service's long name must not push the reason out of the table: beside an address of this width the reason keeps 30
 * columns, beside the longest ones the 17 of "by this node, BGP".
 */
const roomForOwner = (address: number): number =>
  Math.max(14, COLUMNS - address - "  ".length * 3 - "HERE".length - 30);

/** Cuts from the middle: names differ at their ends. */
function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const head = Math.ceil((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}

function decision(vip: VipReport): string {
  const gate = vip.gates.find((it) => !it.open);
  return gate ? `${gate.gate}: ${gate.fact}` : "";
}

const ellipsis = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, width - 1)}…`;

/** "2 of 3 API servers are ready, not 10.0.0.3 (n3): connection refused". */
function backendsText(backends: StatusReport["backends"]): string {
  const ready = backends.filter(({ state }) => state === "ready").length;
  const others = backends.filter(({ state }) => state !== "ready");
  const text = `${ready} of ${backends.length} addresses of API servers are ready`;
  return [text, ...others.map(({ node, detail }) => `not ${node}: ${detail}`)].join("; ");
}
