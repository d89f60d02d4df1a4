import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { fetchRecording, fetchStatus } from "../status/client.ts";
import { type PeerReport, RECORDING_FORMATS, type RecordingFormat, type StatusReport } from "../status/report.ts";
import { fromDaemon, socketOption } from "./daemon-report.ts";
import { duration, table, wrap } from "./table.ts";

interface Options {
  readonly output: string;
  readonly record?: string;
  readonly format: string;
  readonly socket?: string;
}

/** Adds `vipcast peer`: exit code 0 the session is up, 3 it is not or lacks something, 1 unknown peer or no daemon. */
export function registerPeer(program: Command): void {
  program
    .command("peer")
    .description("show one BGP peer in full, or write what was recorded of it")
    .argument("<peer>", "name or address, as in vipcast status")
    .option("-o, --output <format>", "text or json", "text")
    .option("--record <file>", "write the recording of events and messages; - is standard output")
    .option("--format <format>", "of the recording: jsonl (to read and replay) or mrt (RFC 6396)", "jsonl")
    .addOption(socketOption())
    .addHelpText(
      "after",
      "\nA recording holds no password. Exit codes: 0 the session is up (or the\nrecording is written), 3 it is not or lacks something, 1 unknown peer or no\ndaemon, 2 wrong usage.\n\nExample:\n  vipcast peer 10.0.0.1 --record tor.jsonl",
    )
    .action(async (wanted: string, options: Options, command: Command) => {
      const { output } = options;
      const format = RECORDING_FORMATS.find((it) => it === options.format);
      if (format === undefined) {
        command.error(`error: unknown format '${options.format}': use ${RECORDING_FORMATS.join(" or ")}`, {
          exitCode: 2,
        });
      }
      if (output !== "text" && output !== "json") {
        command.error(`error: unknown format '${output}': use text or json`, { exitCode: 2 });
      }
      await fromDaemon(options.socket, async (socket) => {
        const report = await fetchStatus(socket);
        const peer = selectPeer(report, wanted);
        if (peer === null) {
          process.stderr.write(`vipcast: ${unknownPeer(report, wanted)}\n`);
          return 1;
        }
        if (options.record !== undefined) return record(socket, peer.name, format, options.record);
        process.stdout.write(`${output === "json" ? JSON.stringify(peer, null, 2) : renderPeer(peer)}\n`);
        return peer.state === "established" && peer.diagnosis === null ? 0 : 3;
      });
    });
}

async function record(socket: string, peer: string, format: RecordingFormat, file: string): Promise<number> {
  const recording = await fetchRecording(socket, peer, format);
  if (file === "-") {
    process.stdout.write(recording);
    return 0;
  }
  try {
    writeFileSync(file, recording, { mode: 0o600 });
  } catch (error) {
    process.stderr.write(`vipcast: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  process.stderr.write(`${recording.length} octets written to ${file}\n`);
  return 0;
}

export const selectPeer = (report: StatusReport, wanted: string): PeerReport | null =>
  report.peers.find(({ name }) => name === wanted) ?? report.peers.find(({ address }) => address === wanted) ?? null;

export function unknownPeer({ peers }: StatusReport, wanted: string): string {
  const names = peers.slice(0, 8).map(({ name }) => name);
  const known = peers.length === 0 ? "it has none" : `it has ${names.join(", ")}${peers.length > 8 ? ", …" : ""}`;
  return `this daemon has no peer ${wanted}: ${known}`;
}

export function renderPeer(peer: PeerReport): string {
  const { diagnosis, lastError } = peer;
  const who = peer.name === peer.address ? peer.address : `${peer.name} (${peer.address})`;
  const lines = [
    `${who} port ${peer.port}, AS ${peer.asn}${peer.dynamic ? ", one of a range" : ""}`,
    ...field("State", `${peer.state} for ${duration(peer.sinceSeconds)}, ${sessions(peer.establishedCount)}`),
    ...(diagnosis === null ? [] : [...field("Problem", diagnosis.problem), ...field("Fix", diagnosis.fix)]),
    ...(peer.withheld === null ? [] : field("Withheld", peer.withheld)),
    ...field("Local end", peer.localAddress ?? "-"),
    ...field("Hold time", peer.holdTimeSeconds === null ? "-" : `${peer.holdTimeSeconds}s`),
    ...field("Families", peer.families.join(", ") || "-"),
    ...peer.notAnnounced.flatMap(({ family, reason }) => field("", `${family} is not announced: ${reason}`)),
    ...field("Agreed", peer.agreed.join(", ") || "-"),
    ...field("BFD", bfdText(peer.bfd)),
    ...field("Import", peer.importPolicy),
    ...field("Export", peer.exportPolicy),
    ...field("Prefixes", prefixes(peer)),
    ...malformed(peer),
    ...(lastError === null
      ? []
      : field("Last error", `${lastError.message} (${lastError.direction}, ${lastError.at})`)),
    ...(["sent", "received"] as const).flatMap((direction) => notification(peer, direction)),
    "",
    ...indent(connectionTable(peer)),
    "",
    ...indent(messageTable(peer)),
    ...(["sent", "received"] as const).flatMap((direction) => open(peer, direction)),
  ];
  return lines.join("\n");
}

const NAME_WIDTH = 14;

const field = (name: string, value: string): string[] =>
  wrap(value, 78 - NAME_WIDTH).map(
    (line, index) => `  ${(index === 0 && name !== "" ? `${name}:` : "").padEnd(NAME_WIDTH - 2)}${line}`,
  );

const indent = (text: string): string[] => text.split("\n").map((line) => `  ${line}`);

const sessions = (count: number): string =>
  count === 0 ? "no session yet" : count === 1 ? "the first session" : `${count} sessions so far`;

function prefixes(peer: PeerReport): string {
  const { prefixesRefused: refused, prefixesStale: stale, prefixesUnusable: unusable, unusableReason: why } = peer;
  const parts = [
    ...(refused > 0 ? [`${refused} more refused`] : []),
    ...(stale > 0 ? [`${stale} stale`] : []),
    ...(unusable > 0 ? [`${unusable} unusable${why === null ? "" : `: ${why}`}`] : []),
  ];
  const received = `${peer.prefixesReceived} received${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
  return `${peer.prefixesSent} sent, ${received}`;
}

function malformed(peer: PeerReport): string[] {
  if (peer.malformedUpdates === 0) return [];
  const kinds = Object.entries(peer.malformedAttributes).map(
    ([attribute, count]) => `attribute ${attribute} ${count}x`,
  );
  const withdrawn = `${peer.malformedWithdrawn} took routes away`;
  const last = peer.malformedLast;
  const gone = last === null ? "" : `; gone since ${last.at}: ${last.prefixes.join(", ")} (${last.reason})`;
  return field("Malformed", `${peer.malformedUpdates} UPDATEs, of which ${withdrawn}: ${kinds.join(", ")}${gone}`);
}

function bfdText(bfd: PeerReport["bfd"]): string {
  if (bfd === null) return "-";
  const { session } = bfd;
  if (session === null) return bfd.state;
  const why =
    session.state === "up"
      ? ""
      : ` (${session.diagnostic}; the router's: ${session.remoteState}, ${session.remoteDiagnostic})`;
  const sends = session.transmitMillis === null ? "silent" : `every ${session.transmitMillis} ms`;
  return `${bfd.state}${why}, ${sends}, down after ${session.detectionMillis} ms of silence, lost ${session.lossCount}x`;
}

function notification(peer: PeerReport, direction: "sent" | "received"): string[] {
  const seen = peer.notifications[direction];
  if (seen === null) return [];
  const text = `NOTIFICATION ${seen.code}/${seen.subcode} ${direction}: ${seen.message} (${seen.count}x, last ${seen.at})`;
  return field(direction === "sent" ? "We said" : "It said", text);
}

const connectionTable = ({ connections }: PeerReport): string =>
  table(
    ["CONNECTION", "STATE", "FAILURES", "TIMERS"],
    connections.map(({ slot, state, failures, timers }) => [
      slot,
      state,
      String(failures),
      timers.map(({ name, seconds }) => `${name} ${duration(seconds)}`).join(", ") || "-",
    ]),
  );

const TYPES = ["open", "update", "notification", "keepalive", "route-refresh"] as const;

const messageTable = ({ messages }: PeerReport): string =>
  table(
    ["MESSAGES", ...TYPES.map((type) => type.toUpperCase())],
    (["sent", "received"] as const).map((direction) => [
      direction,
      ...TYPES.map((type) => String(messages[direction][type])),
    ]),
  );

function open(peer: PeerReport, direction: "sent" | "received"): string[] {
  const said = peer.opens[direction];
  if (said === null) return [];
  const what =
    said.asn === null
      ? `not readable: ${said.hex}`
      : `AS ${said.asn}, identifier ${said.identifier}, hold time ${said.holdTimeSeconds}s`;
  return [
    "",
    ...wrap(`OPEN ${direction} at ${said.at}: ${what}`, 76).map((line) => `  ${line}`),
    ...said.capabilities.flatMap((capability) => wrap(capability, 74).map((line) => `    ${line}`)),
  ];
}
