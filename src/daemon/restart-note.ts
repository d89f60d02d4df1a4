import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** What a process that leaves its routes to the next one must tell it. */
export interface RestartNote {
  readonly localAs: number;
  readonly routerId: string;
  /**
   * Until when routers keep the routes, in milliseconds of the wall clock; null while the process runs: found by the next
   * start, it tells of one that was killed.
   */
  readonly validUntil: number | null;
}

const VERSION = 2;
const LENGTH_MAX = 4096;

/**
 * Next to the status socket, while a process runs and after a stop that keeps the routes. It may be lost, cut, of another
 * version or from before the machine started: then the next start is one like any other, and routers forget what they
 * are not told again.
 */
export class RestartNoteFile {
  readonly #path: string;
  readonly #boot: string;

  /**
   * @param socketPath  of the status socket, which is also what two daemons of one node differ in
   * @param boot  of which start of the machine notes are taken
   */
  constructor(socketPath: string, boot = bootId()) {
    this.#path = `${socketPath}.restart.json`;
    this.#boot = boot;
  }

  /** @throws Error when it cannot be written */
  write(note: RestartNote): void {
    const body = { version: VERSION, boot: this.#boot, ...note };
    const text = JSON.stringify({ ...body, checksum: checksum(body) });
    mkdirSync(dirname(this.#path), { recursive: true });
    // A crash in the middle leaves the old state, which is none.
    writeFileSync(`${this.#path}.new`, text, { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
  }

  /** The note if there is a good one that is still valid. It stays: the process that wrote it may be running. */
  read(nowMillis: number): RestartNote | null {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch {
      return null;
    }
    const note = parse(text);
    if (note === null || note.boot === "" || note.boot !== this.#boot) return null;
    const { localAs, routerId, validUntil } = note;
    return validUntil === null || validUntil > nowMillis ? { localAs, routerId, validUntil } : null;
  }

  /** @throws Error when it cannot be removed */
  remove(): void {
    rmSync(this.#path, { force: true });
  }
}

function parse(text: string): (RestartNote & { readonly boot: string }) | null {
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
  const { boot, localAs, routerId, validUntil } = body;
  if (typeof boot !== "string" || typeof localAs !== "number" || typeof routerId !== "string") return null;
  if (typeof validUntil !== "number" && validUntil !== null) return null;
  return { boot, localAs, routerId, validUntil };
}

const checksum = (body: object): string => createHash("sha256").update(JSON.stringify(body)).digest("hex");

/** What forwards traffic does not outlive the machine's own start. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}
