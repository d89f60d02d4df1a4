import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readRecording } from "../src/bgp/session/recording.ts";
import { replay } from "../src/bgp/session/replay.ts";

/** What was recorded of real routers with `vipcast peer NAME --record`: the state machine must still go the same way. */
const FOLDER = join(import.meta.dirname, "recordings");
const files = readdirSync(FOLDER).filter((name) => name.endsWith(".jsonl"));

it("there are recordings", () => {
  expect(files).not.toEqual([]);
});

it.each(files)("%s goes through the states that were recorded", (name) => {
  const recording = readRecording(readFileSync(join(FOLDER, name), "utf8"));
  const { events, difference } = replay(recording);
  expect(difference).toBeNull();
  expect(events).toBe(recording.entries.filter(({ type }) => type === "event").length);
});
