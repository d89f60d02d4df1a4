/**
 * The client: opens a new connection to each of its targets every few milliseconds and reports who answered.
 *
 * Standard input takes JSON lines (`ClientCommand`), standard output gives them (`ClientReport`), several attempts to a
 * line. An attempt ends after `TIMEOUT_MILLIS` at the latest, so at most `TIMEOUT_MILLIS / intervalMillis` of them are
 * open to one target.
 *
 * A connection that is reset while it is open is tried once more, as every HTTP client does with a request that it may
 * repeat: when a router changes the set of next hops, the packets of a connection that is open at that moment can go
 * on to another node, which knows nothing of it. The attempt then counts as reset, and as failed only when the second
 * one fails, too. Refused and unanswered connections are never tried again.
 */
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { machineMillis } from "./machine-time.ts";

export interface Target {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Sent on connecting, for servers that wait to be asked. */
  readonly ask?: string;
}

export interface ClientCommand {
  readonly targets: readonly Target[];
  readonly intervalMillis: number;
}

/** Target's name, start (machine time), duration, answering node or null, error or null, whether it was reset first. */
export type Attempt = readonly [string, number, number, string | null, string | null, boolean];

export interface ClientReport {
  readonly attempts: readonly Attempt[];
  /** The latest that an attempt started after its time: how far the client itself can be trusted. */
  readonly latenessMillis: number;
}

/** Less than the second after which Linux would send a lost SYN again: a connection that needs that has failed. */
const TIMEOUT_MILLIS = 400;
const FLUSH_MILLIS = 40;

let targets: readonly Target[] = [];
let intervalMillis = 5;
let nextDue = 0;
let lateness = 0;
let finished: Attempt[] = [];

function tick(): void {
  const now = machineMillis();
  if (now >= nextDue) {
    if (nextDue > 0) lateness = Math.max(lateness, now - nextDue);
    // Attempts missed while this process was held up are not made up for: a burst measures the client, not the rack.
    nextDue = Math.max(nextDue + intervalMillis, now);
    for (const target of targets) attempt(target, machineMillis(), false);
  }
  setTimeout(tick, Math.max(0, nextDue - machineMillis()));
}

function attempt(target: Target, startedAt: number, again: boolean): void {
  const socket = connect({ host: target.host, port: target.port });
  let answer = "";
  let done = false;
  const finish = (error: string | null): void => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    socket.destroy();
    // A closed port answers ECONNREFUSED, so this was an open connection, also where its reset was read before its opening.
    const wasReset = error === "ECONNRESET" || error === "EPIPE" || error === "closed without an answer";
    if (wasReset && !again) {
      attempt(target, startedAt, true);
      return;
    }
    const who = error === null ? answer : null;
    finished.push([target.name, round(startedAt), round(machineMillis() - startedAt), who, error, again]);
  };
  const timer = setTimeout(() => finish("no answer"), TIMEOUT_MILLIS);
  socket.on("connect", () => {
    if (target.ask !== undefined) socket.write(target.ask);
  });
  socket.on("data", (bytes) => {
    answer += bytes.toString("latin1");
  });
  socket.on("end", () => finish(answer === "" ? "closed without an answer" : null));
  socket.on("error", (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
}

const round = (millis: number): number => Math.round(millis * 100) / 100;

setInterval(() => {
  if (finished.length === 0) return;
  const report: ClientReport = { attempts: finished, latenessMillis: round(lateness) };
  finished = [];
  lateness = 0;
  process.stdout.write(`${JSON.stringify(report)}\n`);
}, FLUSH_MILLIS);

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line) as ClientCommand;
    targets = command.targets;
    intervalMillis = command.intervalMillis;
  })
  .on("close", () => process.exit(0));
tick();
