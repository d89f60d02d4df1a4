import type { Transport } from "../stage.ts";
import type { FeatureName } from "./names.ts";
import type { Scene } from "./scene.ts";

/** One row of the table. */
export interface Feature {
  readonly name: FeatureName;
  readonly title: string;
  /** What has to hold, for the explanation below the table. */
  readonly what: string;
  /** Only over these; over both when absent. */
  readonly transports?: readonly Transport[];
  /** @throws when it does not hold; the message says what was seen */
  readonly play: (scene: Scene) => Promise<void>;
}
