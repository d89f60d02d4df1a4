import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RestartNoteFile } from "./restart-note.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "vipcast-note-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const NOTE = { localAs: 65000, routerId: "10.0.0.1", validUntil: 2_000 };
const note = (): RestartNoteFile => new RestartNoteFile(join(folder, "run/vipcast.sock"));
const path = (): string => join(folder, "run/vipcast.sock.restart.json");

describe("the note that a stop leaves for the next start", () => {
  it("is read once", () => {
    note().write(NOTE);
    expect(note().take(1_000)).toEqual(NOTE);
    expect(note().take(1_000)).toBeNull();
  });

  it("is worth nothing once routers no longer keep the routes", () => {
    note().write(NOTE);
    expect(note().take(2_000)).toBeNull();
    expect(existsSync(path())).toBe(false);
  });

  it("may be lost, cut, changed, or of another version, and is then none (ROB-10)", () => {
    expect(note().take(0)).toBeNull();
    note().write(NOTE);
    const text = readFileSync(path(), "utf8");
    const bad = [
      ...Array.from({ length: text.length }, (_, length) => text.slice(0, length)),
      text.replace("65000", "65001"),
      text.replace('"version":1', '"version":2'),
      "null",
      "[]",
      "x".repeat(10_000),
    ];
    for (const one of bad) {
      writeFileSync(path(), one);
      expect(note().take(0), one.slice(0, 100)).toBeNull();
    }
  });
});
