import type { Logger } from "pino";
import type { Ipv6 } from "../../addr/ip.ts";
import type { Mac } from "../../addr/mac.ts";
import { Instant } from "../../base/time.ts";
import type { Alarm, Clock, Entropy } from "../../ports/clock.ts";
import type { RouterSegment, RouterSegments } from "../../ports/router-segment.ts";
import { emit } from "../../telemetry/events.ts";
import { type Action, type Event, INITIAL, nextDeadline, type State, step } from "../fsm/router-discovery.ts";
import {
  ALL_ROUTERS,
  decodeRouterMessage,
  encodeRouterAdvertisement,
  encodeRouterSolicitation,
} from "../wire/router-advertisement.ts";
import { ALL_NODES } from "../wire/neighbour-advertisement.ts";

/** An interface on which a router is looked for, as the kernel has it now. */
export interface RouterLink {
  readonly interfaceIndex: number;
  readonly mac: Mac;
  /** Our address there, once nobody else may have it (duplicate address detection is over). */
  readonly linkLocal: Ipv6;
}

export interface RouterStatus {
  /** Null while none is known. */
  readonly router: Ipv6 | null;
  /** Why nothing can be sent or heard; null when it can. */
  readonly error: string | null;
}

/**
 * Looks for the router on each of some interfaces, and advertises this node there as one (RFC 4861). Trouble on one
 * interface is told once and tried again with the next message; the others do not notice.
 */
export class RouterDiscovery {
  readonly #parts: {
    readonly clock: Clock;
    readonly entropy: Entropy;
    readonly segments: RouterSegments;
    readonly log: Logger;
  };
  readonly #onChange: (interfaceName: string) => void;
  readonly #searches = new Map<string, Search>();

  /** @param onChange  after a router was found or lost, with the interface */
  constructor(
    parts: {
      readonly clock: Clock;
      readonly entropy: Entropy;
      readonly segments: RouterSegments;
      readonly log: Logger;
    },
    onChange: (interfaceName: string) => void,
  ) {
    this.#parts = parts;
    this.#onChange = onChange;
  }

  /**
   * Looks on exactly these interfaces, by name. Null: it is down, or has no address yet; its router is forgotten before
   * this returns.
   */
  setLinks(links: ReadonlyMap<string, RouterLink | null>): void {
    for (const [name, search] of this.#searches) {
      if (links.has(name)) continue;
      this.#searches.delete(name);
      search.close();
    }
    for (const [name, link] of links) {
      const search = this.#searches.get(name) ?? new Search(name, this.#parts, () => this.#onChange(name));
      this.#searches.set(name, search);
      search.setLink(link);
    }
  }

  /** A router with which there is a session lives, whatever else is heard. */
  setSession(interfaceName: string, established: boolean): void {
    this.#searches.get(interfaceName)?.dispatch({ type: "session", established });
  }

  status(interfaceName: string): RouterStatus {
    return this.#searches.get(interfaceName)?.status() ?? { router: null, error: null };
  }

  close(): void {
    this.setLinks(new Map());
  }
}

const TELL_AGAIN_MILLIS = 600_000;

class Search {
  readonly #name: string;
  readonly #parts: ConstructorParameters<typeof RouterDiscovery>[0];
  readonly #onChange: () => void;
  readonly #alarm: Alarm;
  #state: State = INITIAL;
  #link: RouterLink | null = null;
  #segment: RouterSegment | null = null;
  #error: string | null = null;
  /** When another router may be told of again: they go on advertising themselves, and may be many. */
  #tellAgainAt: Instant | null = null;

  constructor(name: string, parts: ConstructorParameters<typeof RouterDiscovery>[0], onChange: () => void) {
    this.#name = name;
    this.#parts = parts;
    this.#onChange = onChange;
    this.#alarm = parts.clock.alarm(() => this.dispatch({ type: "time-passed" }));
  }

  setLink(link: RouterLink | null): void {
    const before = this.#link;
    const isSame =
      before?.interfaceIndex === link?.interfaceIndex &&
      before?.mac === link?.mac &&
      before?.linkLocal === link?.linkLocal;
    if (!isSame && before !== null) {
      this.#drop();
      this.#link = null;
      this.dispatch({ type: "link-down" });
    }
    if (!isSame) {
      this.#link = link;
      if (link !== null) this.dispatch({ type: "link-up" });
    }
    this.#listen();
  }

  status(): RouterStatus {
    return { router: this.#state.name === "up" ? (this.#state.router?.address ?? null) : null, error: this.#error };
  }

  dispatch(event: Event): void {
    const { clock, entropy } = this.#parts;
    const { state, actions } = step(this.#state, event, clock.now(), entropy.fraction());
    this.#state = state;
    for (const action of actions) this.#perform(action);
    this.#alarm.set(nextDeadline(this.#state));
  }

  close(): void {
    this.#drop();
    this.#alarm.close();
  }

  #perform(action: Action): void {
    const { clock, log } = this.#parts;
    const where = { interface: this.#name };
    switch (action.type) {
      case "solicit":
        return this.#send((mac) => encodeRouterSolicitation(mac), ALL_ROUTERS);
      case "advertise":
        return this.#send((mac) => encodeRouterAdvertisement(mac), ALL_NODES);
      case "found":
        emit(log, "l2.router.found", { ...where, router: action.address, instead: action.instead }, "router found");
        return this.#onChange();
      case "lost":
        emit(log, "l2.router.lost", { ...where, router: action.address }, "the link to the router is down");
        return this.#onChange();
      case "ignored":
        if (this.#tellAgainAt !== null && clock.now() < this.#tellAgainAt) return;
        this.#tellAgainAt = Instant.add(clock.now(), TELL_AGAIN_MILLIS);
        emit(
          log,
          "l2.router.ignored",
          { ...where, router: action.address, current: action.current },
          "another router on the link is ignored",
        );
    }
  }

  #send(encode: (mac: Mac) => Uint8Array, destination: typeof ALL_NODES): void {
    const link = this.#link;
    if (link === null) return;
    this.#attempt(() => {
      this.#segment ??= this.#open(link);
      this.#segment.send(encode(link.mac), destination);
    });
  }

  #listen(): void {
    const link = this.#link;
    if (link !== null && this.#segment === null) this.#attempt(() => void (this.#segment = this.#open(link)));
  }

  #open(link: RouterLink): RouterSegment {
    return this.#parts.segments.open(link.interfaceIndex, (frame) => {
      const message = decodeRouterMessage(frame);
      if (message === null || message.source === link.linkLocal || this.#link !== link) return;
      if (message.type === "solicitation") return this.dispatch({ type: "heard-solicitation" });
      const { source, mac, lifetimeSeconds } = message;
      this.dispatch({ type: "heard-advertisement", source, mac, lifetimeSeconds });
    });
  }

  #attempt(act: () => void): void {
    let error: string | null = null;
    try {
      act();
    } catch (cause) {
      error = cause instanceof Error ? cause.message : String(cause);
      // The interface may have been made anew: the next attempt opens another socket.
      this.#drop();
    }
    if (error !== null && error !== this.#error)
      emit(this.#parts.log, "l2.router.failed", { interface: this.#name, error }, "router discovery does not work");
    this.#error = error;
  }

  #drop(): void {
    this.#segment?.close();
    this.#segment = null;
  }
}
