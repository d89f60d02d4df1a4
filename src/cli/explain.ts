import type { Command } from "commander";
import { fetchNodes, fetchStatus, fetchView, StatusUnavailable } from "../status/client.ts";
import type { StatusReport } from "../status/report.ts";
import type { NodeList, VipView } from "../status/view.ts";
import { fromDaemon, socketOption } from "./daemon-report.ts";
import { explainNodes, type NodeView } from "./explain-nodes.ts";
import { pathText } from "./path-text.ts";
import { wrap } from "./table.ts";

type Explained = VipView["vips"][number];

/** Adds `vipcast explain`: exit code 0 announced, 3 not announced or not everywhere known, 1 unknown or no daemon. */
export function registerExplain(program: Command): void {
  program
    .command("explain")
    .description("say why a VIP is or is not announced by this node, or by each")
    .argument("<vip>", "an address, namespace/name of a Service, or control-plane")
    .option("--node <name>", "the view of another node, or of `all`")
    .option("-o, --output <format>", "text or json", "text")
    .addOption(socketOption())
    .addHelpText(
      "after",
      "\nOther nodes are asked at the port of prometheus_server.\n\nExit codes: 0 announced by this node (with --node: by one of those asked), 3 not\n  announced or no answer, 1 unknown VIP or no daemon, 2 wrong usage.\n\nExample:\n  vipcast explain default/web --node all",
    )
    .action(async (wanted: string, options: { output: string; socket?: string; node?: string }, command: Command) => {
      if (options.output !== "text" && options.output !== "json") {
        command.error(`error: unknown format '${options.output}': use text or json`, { exitCode: 2 });
      }
      const { node, output } = options;
      await fromDaemon(options.socket, (socket) =>
        node === undefined ? explainHere(socket, wanted, output) : explainThere(socket, wanted, node, output),
      );
    });
}

async function explainHere(socket: string, wanted: string, output: string): Promise<number> {
  const view = await fetchView(socket, wanted);
  if (view.vips.length === 0) {
    process.stderr.write(`vipcast: ${unknown(await fetchStatus(socket), wanted)}\n`);
    return 1;
  }
  const text =
    output === "json" ? JSON.stringify(view.vips, null, 2) : view.vips.map((vip) => explain(view, vip)).join("\n\n");
  process.stdout.write(`${text}\n`);
  return view.vips.some((vip) => vip.announced) ? 0 : 3;
}

async function explainThere(socket: string, wanted: string, node: string, output: string): Promise<number> {
  const list = await fetchNodes(socket);
  const asked = list.nodes.filter(({ name }) => node === "all" || name === node);
  if (asked.length === 0) {
    const names = list.nodes.map(({ name }) => name).join(", ");
    process.stderr.write(
      `vipcast: there is no node "${node}"; the cluster has ${names || "none that is known here"}\n`,
    );
    return 1;
  }
  const views = await Promise.all(asked.map(async (one) => viewOf(socket, list, one, wanted)));
  const answers = views.flatMap(({ view }) => view ?? []);
  if (answers.every(({ vips }) => vips.length === 0) && answers.length === views.length) {
    process.stderr.write(`vipcast: no node knows a VIP "${wanted}"\n`);
    return 1;
  }
  process.stdout.write(`${output === "json" ? JSON.stringify(views, null, 2) : explainNodes(views)}\n`);
  const isAnnounced = answers.some(({ vips }) => vips.some((vip) => vip.announced));
  return isAnnounced && answers.length === views.length ? 0 : 3;
}

async function viewOf(
  socket: string,
  { node, port }: NodeList,
  { name, address }: NodeList["nodes"][number],
  wanted: string,
): Promise<NodeView> {
  const not = (reason: string): NodeView => ({ node: name, view: null, reason });
  if (name !== node && port === null)
    return not("prometheus_server is turned off here, so nobody can be asked: set it, for example to :2112");
  if (name !== node && address === null) return not("its Node has no InternalIP");
  try {
    const whom = name === node ? socket : { host: address!, port: port! };
    return { node: name, view: await fetchView(whom, wanted, ASK_MILLIS), reason: null };
  } catch (error) {
    if (!(error instanceof StatusUnavailable)) throw error;
    return not(`no answer: ${error.message}`);
  }
}

const ASK_MILLIS = 3_000;

export function explain(report: Pick<StatusReport, "node" | "routeTable">, vip: Explained): string {
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
  for (const { peer, told, reason } of vip.peers) {
    if (decisive !== undefined && decisive.gate !== "session") break;
    const [first = "", ...rest] = wrap(told ? "has been told" : `has not been told: ${reason}`, 58);
    const name = peer.length > 15 ? `${peer.slice(0, 14)}…` : peer.padEnd(15);
    lines.push(`  peer  ${name} ${first}`, ...rest.map((line) => `${" ".repeat(24)}${line}`));
  }
  if (decisive !== undefined) lines.push("", ...wrap(`Decided by: ${decisive.object}.`, 76).map((line) => `  ${line}`));
  if (decisive?.hint) lines.push(...wrap(`To change that: ${decisive.hint}.`, 76).map((line) => `  ${line}`));
  return lines.join("\n");
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
