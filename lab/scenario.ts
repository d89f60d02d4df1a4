import type { Lab } from "./lab.ts";

/** One story that the lab can play, with what has to hold in it. */
export interface Scenario {
  readonly name: string;
  /** One line for `list`. */
  readonly summary: string;
  readonly clientOnLan: boolean;
  /** Flags of `manifest daemonset`: the daemons run from what that prints. */
  readonly manifestFlags: readonly string[];
  /** Environment beside the manifest's, as an administrator edits it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Rows of docs/rfc.md that hold when the scenario does. */
  readonly proves?: readonly string[];
  readonly play: (lab: Lab) => Promise<void>;
}
