import { parsePrefix, type Prefix } from "../addr/prefix.ts";
import { NoteFile, type NoteKind } from "./note-file.ts";

/** A route that this daemon has put, or was about to. */
export interface NotedRoute {
  readonly table: number;
  readonly protocol: number;
  readonly prefix: Prefix;
  /** Every node has it. */
  readonly lasting: boolean;
}

interface RouteNote {
  readonly routes: readonly NotedRoute[];
}

/** Some ten thousand Services with addresses of both families. */
const LENGTH_MAX = 4 * 1024 * 1024;
const KIND: NoteKind<RouteNote> = { version: 1, lengthMax: LENGTH_MAX, parse };

/**
 * The routes of this daemon, next to its status socket. Routes carry a protocol number, but daemons that share a node
 * and a table have one number, as kube-vip's have: by the note each knows its own, also those of a run that was killed.
 */
export class RouteNoteFile {
  readonly #file: NoteFile<RouteNote>;

  /** @param socketPath  of the status socket, which is also what two daemons of one node differ in */
  constructor(socketPath: string, boot?: string) {
    this.#file = new NoteFile(`${socketPath}.routes.json`, KIND, boot);
  }

  /** None when there is no good note. */
  read(): readonly NotedRoute[] {
    return this.#file.read()?.routes ?? [];
  }

  /** @throws Error when it cannot be written */
  write(routes: readonly NotedRoute[]): void {
    if (routes.length > 0) this.#file.write({ routes });
    else this.#file.remove();
  }
}

function parse({ routes }: Readonly<Record<string, unknown>>): RouteNote | null {
  if (!Array.isArray(routes)) return null;
  const parsed = (routes as readonly Readonly<Record<string, unknown>>[]).map(parseRoute);
  return parsed.every((it) => it !== null) ? { routes: parsed } : null;
}

function parseRoute(one: Readonly<Record<string, unknown>> | null): NotedRoute | null {
  const { table, protocol, prefix: text, lasting } = one ?? {};
  const prefix = typeof text === "string" ? parsePrefix(text) : null;
  if (typeof table !== "number" || typeof protocol !== "number" || prefix === null || typeof lasting !== "boolean")
    return null;
  return { table, protocol, prefix, lasting };
}
