import { Instant } from "../../src/base/time.ts";
import type { Alarm, Clock } from "../../src/ports/clock.ts";
import type { Chance } from "./chance.ts";
import type { Happening, SimTime } from "./time.ts";

/** What a process was to be told while it could not run. */
interface Waiting {
  readonly isAlarm: boolean;
  readonly process: Process;
  readonly task: () => void;
}

/** Between two callbacks of an event loop that has much to catch up with. */
const TURN_MILLIS = [0.02, 0.3] as const;
/** setTimeout cuts to whole milliseconds, and is a little late. */
const ALARM_LATE_MILLIS = 1;
/** More callbacks than this within a second of virtual time is a loop that turns for nothing. */
const CALLS_PER_SECOND_MAX = 3_000;

/**
 * A machine: its clocks, and whether it has power and runs its processes. The clocks are its own: another origin, a rate
 * that is a little wrong, and a wall clock that says anything.
 */
export class Host {
  readonly name: string;
  readonly #time: SimTime;
  readonly #chance: Chance;
  readonly #origin: number;
  readonly #rate: number;
  readonly #onTrouble: (what: string) => void;
  #waiting: Waiting[] = [];
  #isDraining = false;
  #second = -1;
  #calls = 0;
  isPaused = false;
  hasPower = true;
  /** When it last went on, or 0. */
  resumedAt = 0;
  /** Added to the wall clock. */
  wallErrorMillis: number;

  constructor(name: string, time: SimTime, chance: Chance, driftMax: number, onTrouble: (what: string) => void) {
    this.name = name;
    this.#time = time;
    this.#chance = chance;
    this.#origin = chance.between(0, 1e9);
    this.#rate = 1 + chance.between(-driftMax, driftMax);
    this.wallErrorMillis = chance.between(-3.6e6, 3.6e6);
    this.#onTrouble = onTrouble;
  }

  /** By the host's own monotonic clock. */
  now(): Instant {
    return Instant.of(this.#origin + this.#time.now * this.#rate);
  }

  /** The simulation's time of a point on the host's clock. */
  timeOf(at: number): number {
    return (at - this.#origin) / this.#rate;
  }

  /** In the simulation's time, how long so many milliseconds of the host's clock take. */
  lasting(millis: number): number {
    return millis / this.#rate;
  }

  start(): Process {
    return new Process(this, this.#time, this.#chance);
  }

  /** Its processes stand still; the kernel goes on. */
  pause(): void {
    this.isPaused = true;
  }

  /** What waited is called, timers first or last, one after the other. */
  resume(): void {
    this.isPaused = false;
    this.resumedAt = this.#time.now;
    const alarmsFirst = this.#chance.is(0.5);
    const of = (isAlarm: boolean): Waiting[] => this.#waiting.filter((it) => it.isAlarm === isAlarm);
    this.#waiting = [...of(alarmsFirst), ...of(!alarmsFirst)];
    this.#drain();
  }

  /** Calls into a process as the event loop does: now, or when the host runs again; never once it has died. */
  call(process: Process, task: () => void, isAlarm = false): void {
    if (!process.isAlive) return;
    if (this.isPaused || this.#waiting.length > 0) {
      this.#waiting.push({ isAlarm, process, task });
      if (!this.isPaused) this.#drain();
    } else this.#run(process, task);
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#time.after(this.#chance.between(...TURN_MILLIS), () => {
      this.#isDraining = false;
      if (this.isPaused) return;
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#run(next.process, next.task);
      if (this.#waiting.length > 0) this.#drain();
    });
  }

  #run(process: Process, task: () => void): void {
    if (!process.isAlive) return;
    const second = Math.floor(this.#time.now / 1000);
    if (second !== this.#second) [this.#second, this.#calls] = [second, 0];
    if (++this.#calls === CALLS_PER_SECOND_MAX) {
      this.#onTrouble(`busy loop: ${CALLS_PER_SECOND_MAX} callbacks on ${this.name} within a second`);
    }
    try {
      task();
    } catch (error) {
      this.#onTrouble(`the daemon on ${this.name} threw: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
}

/** One run of a program on a host. */
export class Process {
  readonly host: Host;
  readonly clock: Clock;
  isAlive = true;

  constructor(host: Host, time: SimTime, chance: Chance) {
    this.host = host;
    this.clock = {
      now: () => host.now(),
      wallTime: () => new Date(Date.UTC(2030, 0, 1) + time.now + host.wallErrorMillis),
      alarm: (ring) => this.#alarm(time, chance, ring),
    };
  }

  call(task: () => void): void {
    this.host.call(this, task);
  }

  #alarm(time: SimTime, chance: Chance, ring: () => void): Alarm {
    let armed: Happening | null = null;
    const disarm = (): void => {
      if (armed !== null) armed.task = null;
      armed = null;
    };
    return {
      set: (at) => {
        disarm();
        if (at === null || !this.isAlive) return;
        const happening = time.at(this.host.timeOf(at) + chance.between(0, ALARM_LATE_MILLIS), () =>
          // Disarmed, or armed for another time, while the host stood still: it does not ring.
          this.host.call(this, () => armed === happening && ((armed = null), ring()), true),
        );
        armed = happening;
      },
      close: disarm,
    };
  }
}
