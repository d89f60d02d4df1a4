import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** What a process that leaves its routes to the next one must tell it. */
export interface RestartNote {
  readonly localAs: number;
  readonly routerId: string;
  /** Until when routers keep the routes, in milliseconds of the wall clock. */
  readonly validUntil: number;
}

const VERSION = 1;
const LENGTH_MAX = 4096;

/**
 * Written by a stop that keeps the routes, next to the status socket. It may be lost, cut or of another version: then the
 * next start is one like any other, and routers forget what they are not told again.
 */
export class RestartNoteFile {
  readonly #path: string;

  /** @param socketPath  of the status socket, which is also what two daemons of one node differ in */
  constructor(socketPath: string) {
    this.#path = `${socketPath}.restart.json`;
  }

  /** @throws Error when it cannot be written */
  write(note: RestartNote): void {
    const body = { version: VERSION, ...note };
    const text = JSON.stringify({ ...body, checksum: checksum(body) });
    mkdirSync(dirname(this.#path), { recursive: true });
    // A crash in the middle leaves the old state, which is none.
    writeFileSync(`${this.#path}.new`, text, { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
  }

  /** The note if there is a good one that is still valid, and removes it: it is about one start only. */
  take(nowMillis: number): RestartNote | null {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch {
      return null;
    }
    rmSync(this.#path, { force: true });
    const note = parse(text);
    return note !== null && note.validUntil > nowMillis ? note : null;
  }
}

function parse(text: string): RestartNote | null {
  if (text.length > LENGTH_MAX) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { checksum: given, ...body } = value as Record<string, unknown>;
  if (body["version"] !== VERSION || given !== checksum(body)) return null;
  const { localAs, routerId, validUntil } = body;
  if (typeof localAs !== "number" || typeof routerId !== "string" || typeof validUntil !== "number") return null;
  return { localAs, routerId, validUntil };
}

const checksum = (body: object): string => createHash("sha256").update(JSON.stringify(body)).digest("hex");
