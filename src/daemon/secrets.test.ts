import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import type { SecretSource } from "../config/settings-policy.ts";
import { Secrets, type WatchedSecret } from "./secrets.ts";

let folder: string;
let clock: VirtualClock;
let changes: number;
let secrets: Secrets | null;
const watched = new Map<string, { data: Record<string, string> | null; error: string | null; synced: boolean }>();
let tell: () => void;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vipcast-secrets-"));
  clock = new VirtualClock();
  changes = 0;
  secrets = null;
  watched.clear();
});
afterEach(() => {
  secrets?.close();
  expect(clock.armed).toBe(0);
  rmSync(folder, { recursive: true });
});

function follow(...sources: SecretSource[]): Secrets {
  secrets = new Secrets(
    sources,
    {
      clock,
      environment: { KEY: "from the environment", EMPTY: "" },
      namespace: "kube-system",
      watchSecret(namespace, name, onChange): WatchedSecret {
        const one = { data: null, error: null, synced: false, close: () => undefined };
        watched.set(`${namespace}/${name}`, one);
        tell = onChange;
        return one;
      },
    },
    () => changes++,
  );
  return secrets;
}
const file = (name: string, text: string, mode = 0o600): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};
const pipe = (name: string): string => {
  execFileSync("mkfifo", ["-m", "600", join(folder, name)]);
  return join(folder, name);
};
const fromFile = (path: string): SecretSource => ({ kind: "file", path });

describe("secrets", () => {
  it("come as they are, from the environment, or from a file without its last line break", () => {
    const path = file("key", "tom & jerry\n");
    const all = follow({ kind: "value", value: "plain" });
    expect(all.read({ kind: "value", value: "plain" })).toEqual({ value: "plain" });
    expect(all.read({ kind: "environment", name: "KEY" })).toEqual({ value: "from the environment" });
    expect(all.read(fromFile(path))).toEqual({ value: "tom & jerry" });
  });

  it.each<[string, () => SecretSource, RegExp]>([
    ["a variable that is not set", () => ({ kind: "environment", name: "NONE" }), /no environment variable NONE/],
    ["an empty variable", () => ({ kind: "environment", name: "EMPTY" }), /EMPTY is empty/],
    ["a file that is not there", () => fromFile(join(folder, "none")), /none: ENOENT/],
    ["a folder", () => fromFile(folder), /is not a file/],
    ["a pipe that nobody writes to", () => fromFile(pipe("pipe")), /is not a file/],
    ["an empty file", () => fromFile(file("empty", "\n")), /is empty/],
    ["a file that everybody may read", () => fromFile(file("open", "x", 0o644)), /everybody \(mode 0644\)/],
    ["a file that is too long", () => fromFile(file("long", "x".repeat(5000))), /longer than a key can be/],
    ["81 octets", () => fromFile(file("81", "x".repeat(81))), /more than 80 octets/],
  ])("from %s are missing, and it is said why", (_, source, why) => {
    const found = follow().read(source());
    expect(found).toEqual({ missing: expect.stringMatching(why) });
  });

  it("never stand in what is said about them", () => {
    expect(JSON.stringify(follow().read(fromFile(file("bad", "geheim".repeat(20)))))).not.toContain("geheim");
  });

  it("in files are read again when they change, also by a link that is turned (as the kubelet does)", () => {
    const [first, second] = [file("1", "one"), file("2", "two")];
    const link = join(folder, "link");
    symlinkSync(first, link);
    const source = fromFile(link);
    const all = follow(source);
    clock.advance(10_000);
    expect(changes).toBe(0);
    rmSync(link);
    symlinkSync(second, link);
    clock.advance(2_000);
    expect(changes).toBe(1);
    expect(all.read(source)).toEqual({ value: "two" });
    chmodSync(second, 0o644);
    clock.advance(2_000);
    expect(changes).toBe(2);
    expect(all.read(source)).toHaveProperty("missing");
  });

  it("of Kubernetes are followed, and missing until they are there", () => {
    const source: SecretSource = { kind: "secret", namespace: null, name: "bgp", key: "tor" };
    const all = follow(source, { ...source, key: "other" });
    const secret = watched.get("kube-system/bgp")!;
    expect([...watched.keys()]).toEqual(["kube-system/bgp"]);
    expect(all.read(source)).toEqual({ missing: "Secret kube-system/bgp: not read yet" });
    secret.error = "secrets is forbidden";
    clock.advance(2_000);
    expect([changes, all.read(source)]).toEqual([1, { missing: "Secret kube-system/bgp: secrets is forbidden" }]);
    changes = 0;
    secret.synced = true;
    tell();
    expect([changes, all.read(source)]).toEqual([1, { missing: "there is no Secret kube-system/bgp" }]);
    secret.data = { tor: "key\n", other: "" };
    tell();
    expect([changes, all.read(source)]).toEqual([2, { value: "key" }]);
    expect(all.read({ ...source, key: "toString" })).toEqual({
      missing: "there is no key toString of Secret kube-system/bgp",
    });
    tell();
    expect(changes).toBe(2);
  });
});
