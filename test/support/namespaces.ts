import { execFileSync } from "node:child_process";
import { closeSync, openSync, writeFileSync } from "node:fs";
import koffi from "koffi";

const CLONE_NEWNET = 0x4000_0000;
const setns = koffi.load(null).func("int setns(int fd, int kind)");
let made = 0;

/** Moves this thread; staying in the wrong namespace would make every later test lie, so failing is loud. */
function enter(fd: number): void {
  if (setns(fd, CLONE_NEWNET) !== 0) throw new Error(`setns: errno ${koffi.errno()}`);
}

/**
 * Network namespaces of one test file, removed by `remove()`. Names carry the process id, so that files running side
 * by side do not meet. Duplicate address detection is off: addresses are usable at once.
 */
export class Namespaces {
  readonly #prefix = `vc${process.pid}x${made++}`;
  readonly #names: string[] = [];

  constructor(...names: readonly string[]) {
    for (const name of names) {
      this.#run("ip", "netns", "add", this.full(name));
      this.#names.push(name);
      for (const key of ["default", "all"]) this.sysctl(name, `net/ipv6/conf/${key}/accept_dad`, "0");
      this.ip(name, "link set lo up");
    }
  }

  /** The name under /run/netns. */
  full(name: string): string {
    return `${this.#prefix}${name}`;
  }

  /** Joins two namespaces by a cable: the interface is called `device` at both ends, and is up. */
  connect(one: string, other: string, device: string): void {
    const ends = ["type", "veth", "peer", "name", device, "netns", this.full(other)];
    this.#run("ip", "link", "add", device, "netns", this.full(one), ...ends);
    for (const name of [one, other]) this.ip(name, `link set ${device} up`);
  }

  /** Runs `ip` there; `words` are separated by blanks. */
  ip(name: string, words: string): string {
    return this.#run("ip", "-n", this.full(name), ...words.split(" "));
  }

  sysctl(name: string, key: string, value: string): void {
    this.in(name, () => writeFileSync(`/proc/sys/${key}`, value));
  }

  /** Runs `body` with this thread in the namespace: sockets opened meanwhile belong to it for good. */
  in<T>(name: string, body: () => T): T {
    const home = openSync("/proc/thread-self/ns/net", "r");
    const there = openSync(`/run/netns/${this.full(name)}`, "r");
    try {
      enter(there);
      return body();
    } finally {
      enter(home);
      closeSync(there);
      closeSync(home);
    }
  }

  remove(): void {
    for (const name of this.#names.splice(0)) this.#run("ip", "netns", "del", this.full(name));
  }

  #run(command: string, ...args: readonly string[]): string {
    return execFileSync(command, args, { encoding: "utf8", timeout: 10_000 });
  }
}
