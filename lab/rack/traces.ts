import { existsSync, readdirSync, readFileSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { command } from "./command.ts";

/**
 * Everything that a rack leaves in the machine bears its prefix, which has the process id of its lab: namespaces,
 * folders, and the command lines of its processes. So whatever happens to a lab, its traces can be found.
 */
const LAB_PREFIX = "vclab";

const NETNS_FOLDER = "/run/netns";

/** Where entries of a lab can be. FRR makes one for each of its instances. */
const PLACES = (): readonly string[] => [NETNS_FOLDER, tmpdir(), "/var/run/frr"];

export const prefixOf = (pid: number): string => `${LAB_PREFIX}${pid}-`;

/** For `mkdtemp`: the rack's own folder. */
export const folderPrefix = (prefix: string): string => `${tmpdir()}/${prefix}`;

export interface Traces {
  /** Names. */
  readonly namespaces: readonly string[];
  readonly folders: readonly string[];
  readonly pids: readonly number[];
}

export function tracesOf(prefix: string): Traces {
  const paths = PLACES().flatMap((place) => entriesOf(place, prefix).map((name) => `${place}/${name}`));
  return {
    namespaces: entriesOf(NETNS_FOLDER, prefix),
    folders: paths.filter((path) => !path.startsWith(`${NETNS_FOLDER}/`)),
    pids: entriesOf("/proc", "")
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((pid) => commandLineOf(pid).includes(prefix))
      .map(Number),
  };
}

/** Removes all traces; may be called again after it has failed. */
export async function removeTraces(prefix: string): Promise<void> {
  const { namespaces, folders, pids } = tracesOf(prefix);
  const within = await Promise.all(
    namespaces.map((name) => command(["ip", "netns", "pids", name]).catch(() => "")), // it has gone meanwhile
  );
  for (const pid of new Set([...pids, ...within.join("\n").split("\n").filter(Boolean).map(Number)])) kill(pid);
  for (const name of namespaces) await command(["ip", "netns", "del", name]);
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
}

/** Prefixes of labs that were killed before they could clean up: their process is gone, their traces are not. */
export function abandonedPrefixes(isAlive: (pid: number) => boolean): readonly string[] {
  const pids = PLACES()
    .flatMap((place) => entriesOf(place, LAB_PREFIX))
    .flatMap((name) => /^(\d+)-/.exec(name.slice(LAB_PREFIX.length))?.[1] ?? []);
  return [...new Set(pids)]
    .map(Number)
    .filter((pid) => !isAlive(pid))
    .map(prefixOf);
}

/** `ip netns` makes its folder once and for all. @returns what removes it, if it was not there before and is empty */
export function rememberNamespaceFolder(): () => Promise<void> {
  const wasThere = existsSync(NETNS_FOLDER);
  return async () => {
    if (wasThere || !existsSync(NETNS_FOLDER) || entriesOf(NETNS_FOLDER, "").length > 0) return;
    // It is mounted on itself, so that names are seen in other mount namespaces, too.
    await command(["umount", NETNS_FOLDER]).catch(() => "");
    await rmdir(NETNS_FOLDER).catch(() => {}); // somebody else has come to use it
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function entriesOf(folder: string, prefix: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.startsWith(prefix));
  } catch {
    return []; // there is no such folder here
  }
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // it has ended meanwhile
  }
}
