import { type Attempt, stretchesOf, type Window } from "./client-view.ts";
import type { TimelineEntry } from "./result.ts";

/** Pure: the client's view as an SVG document, a row per target with a lane per node and one for failures. */
export interface Plot {
  readonly title: string;
  readonly targets: readonly string[];
  readonly nodes: readonly string[];
  readonly attempts: readonly Attempt[];
  /** Drawn as vertical lines, numbered, with the list below the rows. */
  readonly events: readonly TimelineEntry[];
  /** Machine time of the beginning of the timeline. */
  readonly startedAt: number;
  readonly window: Window;
}

const LANE_HEIGHT = 7;
const ROW_GAP = 16;
const LEFT = 190;
const WIDTH = 1000;
const TOP = 64;
const LINE_HEIGHT = 16;
/**
 * One of three nodes that answer in turn is passed over for this long by chance once in a hundred thousand attempts, at
 * one every 5 ms; a shorter pause says nothing.
 */
const JOIN_MILLIS = 150;
/** Told apart by people who do not see red from green, too; red is for failures alone. */
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8c6d31"];
const FAILURE = "#d1101f";

export function clientViewSvg({ title, targets, nodes, attempts, events, startedAt, window }: Plot): string {
  const rowHeight = (nodes.length + 1) * LANE_HEIGHT + ROW_GAP;
  const bottom = TOP + targets.length * rowHeight;
  const height = bottom + 34 + events.length * LINE_HEIGHT + 10;
  const x = (at: number): number =>
    LEFT + round(((at - window.from) / Math.max(1, window.to - window.from)) * (WIDTH - 20));
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LEFT + WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="12" y="22" font-size="16">${escape(title)}</text>`,
    ...legend(nodes),
  ];
  targets.forEach((target, row) => {
    const top = TOP + row * rowHeight;
    const lanes = nodes.length + 1;
    out.push(
      `<text x="12" y="${top + (lanes * LANE_HEIGHT) / 2 + 4}">${escape(target)}</text>`,
      `<rect x="${LEFT}" y="${top}" width="${WIDTH - 20}" height="${lanes * LANE_HEIGHT}" fill="#f2f2f2"/>`,
    );
    for (const { node, from, to } of stretchesOf(attempts, target, JOIN_MILLIS)) {
      const lane = node === null ? nodes.length : nodes.indexOf(node);
      if (lane < 0 || to < window.from || from > window.to) continue;
      const [begin, end] = [x(Math.max(from, window.from)), x(Math.min(to, window.to))];
      out.push(
        `<rect x="${begin}" y="${top + lane * LANE_HEIGHT}" width="${Math.max(1.5, round(end - begin))}" height="${LANE_HEIGHT - 1}" fill="${node === null ? FAILURE : colourOf(lane)}"/>`,
      );
    }
  });
  events.forEach(({ atMillis, event }, index) => {
    const at = x(startedAt + atMillis);
    // Labels take turns in height, so that events close together stay readable.
    const labelY = TOP - 6 - (index % 2) * 12;
    out.push(
      `<line x1="${at}" y1="${TOP - 4}" x2="${at}" y2="${bottom - ROW_GAP + 4}" stroke="#444" stroke-width="0.7" stroke-dasharray="3 2"/>`,
      `<text x="${at}" y="${labelY}" font-size="10" text-anchor="middle">${index + 1}</text>`,
      `<text x="12" y="${bottom + 34 + index * LINE_HEIGHT}">${index + 1}. ${escape(seconds(atMillis))} ${escape(event)}</text>`,
    );
  });
  for (const atMillis of ticks(window.from - startedAt, window.to - startedAt)) {
    out.push(
      `<text x="${x(startedAt + atMillis)}" y="${bottom + 6}" font-size="10" fill="#444" text-anchor="middle">${seconds(atMillis)}</text>`,
    );
  }
  out.push("</svg>", "");
  return out.join("\n");
}

function legend(nodes: readonly string[]): readonly string[] {
  return [...nodes.map((node, i) => [node, colourOf(i)] as const), ["failed", FAILURE] as const].flatMap(
    ([label, colour], index) => [
      `<rect x="${LEFT + 560 + index * 80}" y="12" width="12" height="12" fill="${colour}"/>`,
      `<text x="${LEFT + 577 + index * 80}" y="22">${escape(label)}</text>`,
    ],
  );
}

/** Round times within the given ones, at most some twelve. */
function ticks(from: number, to: number): readonly number[] {
  const step = [500, 1000, 2000, 5000, 10_000, 30_000].find((one) => (to - from) / one <= 12) ?? 60_000;
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, index) => (first + index) * step);
}

const colourOf = (index: number): string => COLOURS[index % COLOURS.length]!;
const round = (value: number): number => Math.round(value * 10) / 10;
const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`;
const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
