import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { Instant } from "../base/time.ts";
import type { SecretSource } from "../config/settings-policy.ts";
import type { Alarm, Clock } from "../ports/clock.ts";

/** A secret as it is now, or why it cannot be had. */
export type Secret = { readonly value: string } | { readonly missing: string };

/** A Kubernetes Secret that is followed. */
export interface WatchedSecret {
  /** Values by key, as text; null while there is no such Secret, or none is known yet. */
  readonly data: Readonly<Record<string, string>> | null;
  /** Why it is not followed at the moment. */
  readonly error: string | null;
  readonly synced: boolean;
  close(): void;
}

export interface SecretsDeps {
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Of Secrets without a namespace. */
  readonly namespace: string;
  readonly watchSecret: (namespace: string, name: string, onChange: () => void) => WatchedSecret;
}

/** Files have no news of their own that survives every way of replacing them; keys are not changed in a hurry. */
const POLL_MILLIS = 2_000;
/** The kernel takes keys of at most 80 octets (TCP_MD5SIG_MAXKEYLEN); a file may end with a line break. */
const OCTETS_MAX = 80;
const FILE_LENGTH_MAX = OCTETS_MAX + 2;
const READABLE_BY_OTHERS = 0o004;

/**
 * The secrets that the configuration names, followed while they change. `onChange` is called after any of them became
 * another, or could no longer be had.
 */
export class Secrets {
  readonly #deps: SecretsDeps;
  readonly #sources: readonly SecretSource[];
  readonly #watched = new Map<string, WatchedSecret>();
  readonly #alarm: Alarm;
  readonly #onChange: () => void;
  #told: string;

  constructor(sources: readonly SecretSource[], deps: SecretsDeps, onChange: () => void) {
    this.#deps = deps;
    this.#sources = sources;
    this.#onChange = onChange;
    for (const source of sources) {
      if (source.kind !== "secret" || this.#watched.has(this.#placeOf(source))) continue;
      const { name } = source;
      const watched = deps.watchSecret(source.namespace ?? deps.namespace, name, () => this.#compare());
      this.#watched.set(this.#placeOf(source), watched);
    }
    this.#alarm = deps.clock.alarm(() => this.#poll());
    this.#told = this.#all();
    this.#arm();
  }

  /** The secret as it is at this moment. */
  read(source: SecretSource): Secret {
    switch (source.kind) {
      case "value":
        return { value: source.value };
      case "file":
        return readFile(source.path);
      case "environment":
        return fitting(this.#deps.environment[source.name] ?? null, `environment variable ${source.name}`);
      case "secret":
        return this.#readSecret(source);
    }
  }

  close(): void {
    this.#alarm.close();
    for (const watched of this.#watched.values()) watched.close();
  }

  #readSecret(source: Extract<SecretSource, { kind: "secret" }>): Secret {
    const watched = this.#watched.get(this.#placeOf(source));
    const place = `Secret ${this.#placeOf(source)}`;
    if (!watched?.synced) return { missing: `${place}: ${watched?.error ?? "not read yet"}` };
    if (watched.data === null) return { missing: `there is no ${place}` };
    const value = Object.hasOwn(watched.data, source.key) ? watched.data[source.key]! : null;
    return fitting(value, `key ${source.key} of ${place}`);
  }

  #placeOf = ({ namespace, name }: Extract<SecretSource, { kind: "secret" }>): string =>
    `${namespace ?? this.#deps.namespace}/${name}`;

  #poll(): void {
    this.#compare();
    this.#arm();
  }

  #arm(): void {
    const isFile = this.#sources.some(({ kind }) => kind === "file");
    // Nor does a Secret that cannot be read yet tell when the reason becomes another.
    const isAwaited = [...this.#watched.values()].some(({ synced }) => !synced);
    if (!isFile && !isAwaited) return;
    this.#alarm.set(Instant.add(this.#deps.clock.now(), POLL_MILLIS));
  }

  #compare(): void {
    const all = this.#all();
    if (all === this.#told) return;
    this.#told = all;
    this.#onChange();
  }

  #all = (): string => JSON.stringify(this.#sources.map((source) => this.read(source)));
}

function readFile(path: string): Secret {
  let fd: number;
  try {
    // A pipe would keep the whole daemon until somebody writes.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return { missing: `file ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}` };
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return { missing: `${path} is not a file` };
    if ((stat.mode & READABLE_BY_OTHERS) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
      return { missing: `file ${path} can be read by everybody (mode ${mode}): take that away, as by chmod o-r` };
    }
    const buffer = new Uint8Array(FILE_LENGTH_MAX + 1);
    const length = readSync(fd, buffer, 0, buffer.length, 0);
    if (length > FILE_LENGTH_MAX) return { missing: `file ${path} is longer than a key can be` };
    return fitting(new TextDecoder().decode(buffer.subarray(0, length)), `file ${path}`);
  } catch (error) {
    return { missing: `file ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}` };
  } finally {
    closeSync(fd);
  }
}

/** Null: there is none. Never says anything of the value itself. */
function fitting(text: string | null, place: string): Secret {
  if (text === null) return { missing: `there is no ${place}` };
  // Whoever writes a file or a Secret by hand ends it with a line break.
  const value = text.replace(/\r?\n$/, "");
  if (value === "") return { missing: `${place} is empty` };
  if (new TextEncoder().encode(value).length > OCTETS_MAX)
    return { missing: `${place} has more than ${OCTETS_MAX} octets` };
  return { value };
}
