import { NoteFile, type NoteKind } from "./note-file.ts";

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

const KIND: NoteKind<RestartNote> = { version: 2, lengthMax: 4096, parse };

/**
 * Next to the status socket, while a process runs and after a stop that keeps the routes. Without it the next start is
 * one like any other, and routers forget what they are not told again.
 */
export class RestartNoteFile {
  readonly #file: NoteFile<RestartNote>;

  /**
   * @param socketPath  of the status socket, which is also what two daemons of one node differ in
   * @param boot  of which start of the machine notes are taken
   */
  constructor(socketPath: string, boot?: string) {
    this.#file = new NoteFile(`${socketPath}.restart.json`, KIND, boot);
  }

  /** @throws Error when it cannot be written */
  write(note: RestartNote): void {
    this.#file.write(note);
  }

  /** The note if there is a good one that is still valid. It stays: the process that wrote it may be running. */
  read(nowMillis: number): RestartNote | null {
    const note = this.#file.read();
    return note === null || (note.validUntil !== null && note.validUntil <= nowMillis) ? null : note;
  }

  /** @throws Error when it cannot be removed */
  remove(): void {
    this.#file.remove();
  }
}

function parse({ localAs, routerId, validUntil }: Readonly<Record<string, unknown>>): RestartNote | null {
  if (typeof localAs !== "number" || typeof routerId !== "string") return null;
  if (typeof validUntil !== "number" && validUntil !== null) return null;
  return { localAs, routerId, validUntil };
}
