import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RestartNoteFile } from "./restart-note.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "vipcast-note-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const NOTE = { localAs: 65000, routerId: "10.0.0.1", validUntil: 2_000 };
const note = (boot = "boot-1"): RestartNoteFile => new RestartNoteFile(join(folder, "run/vipcast.sock"), boot);
const path = (): string => join(folder, "run/vipcast.sock.restart.json");

describe("the note that a stop leaves for the next start", () => {
  it("is there until it is replaced or removed", () => {
    note().remove();
    note().write(NOTE);
    expect([note().read(1_000), note().read(1_000)]).toEqual([NOTE, NOTE]);
    note().remove();
    expect(note().read(1_000)).toBeNull();
  });

  it("of a process that has not stopped is worth as much as the machine's own start", () => {
    const running = { ...NOTE, validUntil: null };
    note().write(running);
    expect(note().read(1e15)).toEqual(running);
    expect(note("boot-2").read(0)).toBeNull();
    note("").write(running);
    expect(note("").read(0)).toBeNull();
  });

  it("is worth nothing once routers no longer keep the routes", () => {
    note().write(NOTE);
    expect(note().read(2_000)).toBeNull();
  });

  it("may be lost, cut, changed, or of another version, and is then none (ROB-10)", () => {
    expect(note().read(0)).toBeNull();
    note().write(NOTE);
    const text = readFileSync(path(), "utf8");
    const bad = [
      ...Array.from({ length: text.length }, (_, length) => text.slice(0, length)),
      text.replace("65000", "65001"),
      text.replace('"version":2', '"version":3'),
      "null",
      "[]",
      "x".repeat(10_000),
    ];
    for (const one of bad) {
      writeFileSync(path(), one);
      expect(note().read(0), one.slice(0, 100)).toBeNull();
    }
  });
});
