import { cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { Lab, ScenarioFailed } from "./lab.ts";
import { machineMillis } from "./machine-time.ts";
import type { KubeKind } from "./rack/kube-server.ts";
import { Rack } from "./rack/rack.ts";
import { tracesOf } from "./rack/traces.ts";
import type { Result } from "./report/result.ts";
import { clientViewSvg } from "./report/svg.ts";
import type { RouterKind } from "./router/driver.ts";
import type { Scenario } from "./scenario.ts";
import { NODE_NAMES } from "./topology.ts";

export interface PlayOptions {
  readonly router: RouterKind;
  readonly kube: KubeKind;
  /** Scenarios that take minutes play a shorter form. */
  readonly brief: boolean;
  /** Ends the scenario; the rack is taken down before `play` rejects. */
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
  /** Where the results go. */
  readonly resultsFolder: string;
  /** Told of the rack as soon as there is one, so that it can be removed in an emergency. */
  readonly onRack: (rack: Rack) => void;
}

/** How long an interrupted scenario may take to notice, before the rack is taken from under it. */
const NOTICE_MILLIS = 4_000;

/**
 * Builds a rack, plays the scenario, takes the rack down and looks whether anything is left of it.
 *
 * @throws the reason of `signal`, once everything is gone
 */
export async function play(scenario: Scenario, options: PlayOptions): Promise<Result> {
  const { router, kube, brief, signal, print, resultsFolder } = options;
  const rack = await Rack.prepare({
    router,
    kube,
    clientOnLan: scenario.clientOnLan,
    peering: scenario.peering ?? {},
    files: scenario.files ?? {},
    manifestFlags: scenario.manifestFlags,
    environment: scenario.environment,
    onProgress: (text) => lab.step(text),
    signal,
  });
  options.onRack(rack);
  const lab = new Lab(rack, { signal, print, brief });
  const logs = `${resultsFolder}/${scenario.name}-logs`;
  try {
    await settled(run(scenario, lab), signal);
    signal.throwIfAborted();
    await rm(logs, { recursive: true, force: true });
    if (!lab.expectations.every(({ ok }) => ok)) await keepLogs(rack.folder, logs);
  } finally {
    if (!signal.aborted) lab.step("the rack is taken down");
    await rack.destroy();
  }
  lab.expect("left behind by the lab", leftovers(rack), "", { equals: "" });
  const result: Result = {
    scenario: scenario.name,
    router,
    kube,
    ok: lab.expectations.every(({ ok }) => ok),
    expectations: lab.expectations,
    timeline: lab.timeline.toSorted((a, b) => a.atMillis - b.atMillis),
  };
  await mkdir(resultsFolder, { recursive: true });
  await writeFile(`${resultsFolder}/${scenario.name}.json`, `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(`${resultsFolder}/${scenario.name}.svg`, draw(lab, rack, result));
  return result;
}

async function run(scenario: Scenario, lab: Lab): Promise<void> {
  try {
    await lab.rack.build();
    if (scenario.withoutRouteTimeline !== true) lab.followRoutes();
    await scenario.play(lab);
    lab.note(`the client itself was at most ${Math.round(lab.rack.client.latenessMillis)} ms late`);
  } catch (error) {
    if (lab.signal.aborted) return;
    // What never came true is on record already; anything else must not pass for a scenario without failures.
    if (!(error instanceof ScenarioFailed)) {
      lab.expect("the scenario plays to its end", error instanceof Error ? error.message : String(error), "", {
        equals: "yes",
      });
    } else {
      lab.note(error.message);
    }
  }
}

/** Resolves when the work is done, or when it has been interrupted and has had its time to notice. */
async function settled(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    const arm = (): void => void (timer = setTimeout(resolve, NOTICE_MILLIS));
    if (signal.aborted) arm();
    else signal.addEventListener("abort", arm, { once: true });
  });
  await Promise.race([work, enough]);
  clearTimeout(timer);
}

async function keepLogs(folder: string, into: string): Promise<void> {
  await mkdir(into, { recursive: true });
  const logs = (await readdir(folder)).filter((name) => name.endsWith(".log"));
  for (const name of logs) await cp(`${folder}/${name}`, `${into}/${name}`);
}

function leftovers(rack: Rack): string {
  const { namespaces, folders, pids } = tracesOf(rack.prefix);
  return [...namespaces.map((name) => `namespace ${name}`), ...folders, ...pids.map((pid) => `process ${pid}`)].join(
    ", ",
  );
}

function draw(lab: Lab, rack: Rack, result: Result): string {
  const attempts = rack.clientView?.attempts ?? [];
  const begun = attempts.map(({ startedAt }) => startedAt);
  const from = begun.reduce((a, b) => Math.min(a, b), machineMillis());
  const to = begun.reduce((a, b) => Math.max(a, b), from + 1);
  return clientViewSvg({
    title: `${result.scenario}: the client's view (router ${result.router}, Kubernetes ${result.kube})`,
    targets: rack.clientView?.everTargets ?? [],
    nodes: NODE_NAMES,
    attempts,
    events: lab.steps.filter(({ atMillis }) => lab.startedAt + atMillis >= from && lab.startedAt + atMillis <= to),
    startedAt: lab.startedAt,
    window: { from, to },
  });
}
