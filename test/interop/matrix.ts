import { machineMillis } from "../../lab/machine-time.ts";
import type { Feature } from "./features/feature.ts";
import type { FeatureName } from "./features/names.ts";
import { Scene } from "./features/scene.ts";
import type { RouterKind, RouterName } from "./router.ts";
import { Stage, type Transport } from "./stage.ts";

const TRANSPORTS: readonly Transport[] = ["IPv4", "IPv6"];

/** What came out of one feature with one router over one transport. */
export interface Cell {
  readonly router: RouterName;
  readonly feature: FeatureName;
  readonly transport: Transport;
  readonly outcome: "pass" | "fail" | "not there";
  /** Why, when it is not a pass; of a pass, what was not demanded of this router. */
  readonly reason: string;
  readonly millis: number;
}

/**
 * Most of a cell is waiting for a timer of the router, so more of them run side by side than there are processors. Each
 * has namespaces of its own.
 */
const SIDE_BY_SIDE = 6;

/** Plays every feature with every router over every transport. @param onCell  told of each as soon as it is over */
export async function playAll(
  routers: readonly RouterKind[],
  features: readonly Feature[],
  onCell: (cell: Cell) => void,
  signal: AbortSignal,
): Promise<readonly Cell[]> {
  const waiting = features.flatMap((feature) =>
    routers.flatMap((router) =>
      TRANSPORTS.filter((transport) => (feature.transports ?? TRANSPORTS).includes(transport)).map(
        (transport) => [router, feature, transport] as const,
      ),
    ),
  );
  const cells: Cell[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next && !signal.aborted; next = waiting.shift()) {
      const cell = await playCell(...next);
      cells.push(cell);
      onCell(cell);
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
  return cells;
}

async function playCell(kind: RouterKind, feature: Feature, transport: Transport): Promise<Cell> {
  const about = { router: kind.name, feature: feature.name, transport };
  const lack = kind.lacks[feature.name];
  if (lack !== undefined) return { ...about, outcome: "not there", reason: lack, millis: 0 };
  const startedAt = machineMillis();
  const over = (outcome: Cell["outcome"], reason: string): Cell => ({
    ...about,
    outcome,
    reason,
    millis: Math.round(machineMillis() - startedAt),
  });
  const stage = await Stage.set(transport);
  try {
    const scene = new Scene(kind, stage);
    await feature.play(scene);
    return over("pass", kind.partly?.[feature.name] ?? "");
  } catch (error) {
    return over("fail", error instanceof Error ? error.message : String(error));
  } finally {
    await stage.strike();
  }
}
