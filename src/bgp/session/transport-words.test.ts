import { expect, it } from "vitest";
import type { StreamEnd } from "../../ports/stream.ts";
import type { PeerConfig } from "./peer-config.ts";
import { rack } from "./test-support.ts";
import { describeEnd, type Stage } from "./transport-words.ts";

const peer: PeerConfig = rack().peers.a[0]!;
const END: readonly (readonly [StreamEnd, Stage, string])[] = [
  [{ kind: "refused" }, "connecting", "connection refused by 10.0.0.2 port 179"],
  [{ kind: "timed-out" }, "connecting", "no answer from 10.0.0.2 port 179"],
  [{ kind: "timed-out" }, "open", "10.0.0.2 port 179 stopped answering"],
  [{ kind: "unreachable" }, "connecting", "no route to 10.0.0.2 port 179"],
  [{ kind: "reset" }, "open", "connection reset by 10.0.0.2 port 179"],
  [{ kind: "closed-by-peer" }, "open", "connection closed by 10.0.0.2 port 179"],
  [{ kind: "closed-by-us" }, "open", "connection to 10.0.0.2 port 179 closed"],
  [
    { kind: "failed", message: "no such device" },
    "connecting",
    "connection to 10.0.0.2 port 179 failed: no such device",
  ],
];

it.each(END)("the end of a stream, %o while %s, is told as: %s", (end, stage, words) => {
  expect(describeEnd(end, stage, peer)).toBe(words);
});
