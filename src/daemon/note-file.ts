import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** The kind of note, and what a good one is like. */
export interface NoteKind<N> {
  readonly version: number;
  /** Octets; a longer file is none. */
  readonly lengthMax: number;
  /** Null when it does not have what a note has. */
  readonly parse: (body: Readonly<Record<string, unknown>>) => N | null;
}

/**
 * What a process tells the next one that runs on this node. It may be lost, cut, of another version or from before the
 * machine started: then there is none.
 */
export class NoteFile<N extends object> {
  readonly #path: string;
  readonly #kind: NoteKind<N>;
  readonly #boot: string;

  /** @param boot  of which start of the machine notes are taken */
  constructor(path: string, kind: NoteKind<N>, boot = bootId()) {
    this.#path = path;
    this.#kind = kind;
    this.#boot = boot;
  }

  /** @throws Error when it cannot be written */
  write(note: N): void {
    const body = { version: this.#kind.version, boot: this.#boot, ...note };
    const text = JSON.stringify({ ...body, checksum: checksum(body) });
    mkdirSync(dirname(this.#path), { recursive: true });
    // A crash in the middle leaves the old state.
    writeFileSync(`${this.#path}.new`, text, { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
  }

  /** The note if there is a good one. It stays: the process that wrote it may be running. */
  read(): N | null {
    const body = this.#body();
    if (body === null || this.#boot === "" || body["boot"] !== this.#boot) return null;
    return this.#kind.parse(body);
  }

  /** @throws Error when it cannot be removed */
  remove(): void {
    rmSync(this.#path, { force: true });
  }

  #body(): Readonly<Record<string, unknown>> | null {
    try {
      const text = readFileSync(this.#path, "utf8");
      if (text.length > this.#kind.lengthMax) return null;
      const value: unknown = JSON.parse(text);
      if (typeof value !== "object" || value === null) return null;
      const { checksum: given, ...body } = value as Record<string, unknown>;
      return body["version"] === this.#kind.version && given === checksum(body) ? body : null;
    } catch {
      return null;
    }
  }
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
