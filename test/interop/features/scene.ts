import { type Seen, waitFor } from "../../../lab/wait.ts";
import type { PeerConfig } from "../../../src/bgp/session/speaker.ts";
import type { Router, RouterKind, RouterSettings, SeenRoutes } from "../router.ts";
import type { SpeakerProcess, SpeakerStart, SpeakerView } from "../speaker.ts";
import type { Announcement } from "../speaker.ts";
import { TrafficToVips } from "../traffic.ts";
import { ROUTER_PREFIXES, type Stage, VIPS } from "../stage.ts";

/** A feature does not work with this router. */
class Broken extends Error {
  override readonly name = "Broken";
}

/** Long enough for a machine with other work; what is waited for takes a tenth of it. */
export const LIMIT_MILLIS = 25_000;

export const PLAIN_ROUTES: readonly Announcement[] = VIPS.map((prefix) => ({ prefix }));

export interface SceneSettings {
  readonly router?: RouterSettings;
  readonly peer?: Partial<PeerConfig>;
  readonly speaker?: Partial<SpeakerStart>;
  readonly routes?: readonly Announcement[];
}

/** One cell: a router and our speaker on a stage, and what can be demanded of them. */
export class Scene {
  readonly kind: RouterKind;
  readonly stage: Stage;
  readonly router: Router;

  constructor(kind: RouterKind, stage: Stage) {
    this.kind = kind;
    this.stage = stage;
    this.router = kind.on(stage);
  }

  /** Starts both with these settings. @returns our speaker, once each side has the other's routes */
  async begin(settings: SceneSettings = {}): Promise<SpeakerProcess> {
    const speaker = await this.speak(settings);
    await this.router.start(settings.router ?? {});
    await this.converged(speaker, settings.routes);
    return speaker;
  }

  /** Starts our side alone. */
  async speak({ peer = {}, speaker: start = {}, routes = PLAIN_ROUTES }: SceneSettings = {}): Promise<SpeakerProcess> {
    const speaker = await this.stage.speaker(start);
    await speaker.order({ do: "routes", routes });
    await speaker.order({ do: "peers", peers: [this.stage.peer(peer)] });
    return speaker;
  }

  /** Waits until the session is up and each side has the other's routes. */
  async converged(speaker: SpeakerProcess, routes: readonly Announcement[] = PLAIN_ROUTES): Promise<void> {
    await speaker.until("the session is up", LIMIT_MILLIS, established);
    await speaker.until("the router's routes are here", LIMIT_MILLIS, (view) => {
      const prefixes = usable(view).map(({ prefix }) => prefix as string);
      return ROUTER_PREFIXES.every((one) => prefixes.includes(one)) || `received ${prefixes.join(" ")}`;
    });
    await this.routerHas(
      "our routes",
      routes.map(({ prefix }) => prefix),
    );
  }

  /** Waits until the router has exactly these of us. */
  async routerHas(what: string, prefixes: readonly string[], limitMillis = LIMIT_MILLIS): Promise<number> {
    const wanted = prefixes.toSorted().join(" ");
    return this.routerShows(what, limitMillis, (routes) => {
      const now = [...routes.keys()].toSorted().join(" ");
      return now === wanted || `the router has ${now === "" ? "nothing" : now}`;
    });
  }

  /** Waits until what the router shows of our routes is as it should be. @returns milliseconds */
  async routerShows(what: string, limitMillis: number, condition: (routes: SeenRoutes) => Seen): Promise<number> {
    return waitFor(`the router has ${what}`, limitMillis, async () => condition(await this.router.routes()), {
      everyMillis: 50,
    });
  }

  /** Opens connections to our VIPs along the router's routes, from now on. */
  traffic(): Promise<TrafficToVips> {
    return TrafficToVips.begin(this.stage);
  }

  /** Waits until the router has written something. */
  async routerSays(text: string): Promise<void> {
    await waitFor(`the router says "${text}"`, LIMIT_MILLIS, async () => (await this.router.words()).includes(text), {
      everyMillis: 100,
    });
  }

  /** Waits until the kernel there has dropped segments that it counts under this name. */
  async dropped(host: "router" | "ours", counter: string): Promise<void> {
    await waitFor(`${counter} of the kernel on the side "${host}"`, LIMIT_MILLIS, async () => {
      return ((await this.stage.tcpDrops(host))[counter] ?? 0) > 0;
    });
  }

  demand(holds: boolean, what: string): void {
    if (!holds) throw new Broken(what);
  }
}

export const established = ({ peers: [peer] }: SpeakerView): Seen =>
  peer?.state === "established" || `${peer?.state}, ${peer?.lastError?.message ?? "no error"}`;

export const down = (view: SpeakerView): Seen => view.peers[0]?.state !== "established" || "the session is up";

export const usable = (view: SpeakerView): SpeakerView["received"][string] =>
  (view.received["router"] ?? []).filter(({ unusable }) => unusable === null);
