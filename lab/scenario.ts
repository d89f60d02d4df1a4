import type { Lab } from "./lab.ts";
import { KUBE_KINDS, type KubeKind } from "./rack/kube-server.ts";
import { type PeeringSettings, ROUTER_KINDS, type RouterKind } from "./router/driver.ts";

/** One story that the lab can play, with what has to hold in it. */
export interface Scenario {
  readonly name: string;
  /** One line for `list`. */
  readonly summary: string;
  readonly clientOnLan: boolean;
  /** The timeline has no line for each route: there are too many of them. */
  readonly withoutRouteTimeline?: boolean;
  /** Routers that have what it takes; all of them when absent. */
  readonly routers?: readonly RouterKind[];
  /** API servers that `npm test` plays it with; all of them when absent. */
  readonly kubes?: readonly KubeKind[];
  /** What the router's sessions with the nodes have; nothing special when absent. */
  readonly peering?: PeeringSettings;
  /** Flags of `manifest daemonset`: the daemons run from what that prints. */
  readonly manifestFlags: readonly string[];
  /** Files of each node, by name; `{folder}` in the environment stands for the folder that they are in. */
  readonly files?: Readonly<Record<string, string>>;
  /** Environment beside the manifest's, as an administrator edits it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Rows of docs/rfc.md that hold when the scenario does. */
  readonly proves?: readonly string[];
  /** Behaviours of docs/scenarios.md that it shows, by their short names ("G4"). */
  readonly scenarios?: readonly string[];
  readonly play: (lab: Lab) => Promise<void>;
}

/** The routers that a scenario can be played with. */
export const routersOf = ({ routers }: Scenario): readonly RouterKind[] => routers ?? ROUTER_KINDS;

/** The API servers that `npm test` plays a scenario with. */
export const kubesOf = ({ kubes }: Scenario): readonly KubeKind[] => kubes ?? KUBE_KINDS;
