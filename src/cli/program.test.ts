import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { KUBE_VIP_ONLY } from "../config/kube-vip-only.ts";
import { options } from "../config/options.ts";
import { normalizeArguments } from "./flags.ts";
import { createProgram } from "./program.ts";

const MAIN = join(import.meta.dirname, "main.ts");
const folder = mkdtempSync(join(tmpdir(), "vipcast-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command as a user does, with nothing in the environment but `env`. */
function vipcast(words: readonly string[], env: Record<string, string> = {}, nodeFlags: readonly string[] = []) {
  return new Promise<Outcome>((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeFlags, MAIN, ...words], { env, timeout: 15_000 });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    child.on("error", reject).on("close", (code) => resolve({ code, out, err }));
  });
}

/** Every command with the words that lead to it. */
function commands(command: Command, words: readonly string[] = []): [string, Command][] {
  const here: [string, Command] = [words.join(" ") || "vipcast", command];
  return [here, ...command.commands.flatMap((child) => commands(child, [...words, child.name()]))];
}

/** What `--help` prints, with the texts that are added after. */
function help(command: Command): string {
  let text = "";
  const write = (chunk: string): void => void (text += chunk);
  command.configureOutput({ writeOut: write, writeErr: write });
  command.outputHelp();
  return text;
}

describe("help", () => {
  const all = commands(createProgram());
  it("is there for every command", () => {
    expect(all.map(([name]) => name)).toEqual([
      "vipcast",
      "manager",
      "status",
      "explain",
      "peer",
      "config",
      "check",
      "manifest",
      "manifest daemonset",
      "manifest pod",
      "manifest rbac",
      "kubeadm",
      "kubeadm init",
      "kubeadm join",
      "version",
      "completion",
    ]);
  });
  it.each(all)("of %s fits into 80 columns and ends with an example", (_, command) => {
    const text = help(command);
    expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(text.match(/^Example:$/gm)).toHaveLength(1);
    expect(text).toMatch(/Example:\n {2}[^\n]*vipcast /);
  });
  it.each(all.filter(([name]) => !["status", "explain"].includes(name)))("of %s reads as before", (_, command) => {
    expect(help(command)).toMatchSnapshot();
  });
  it("loads neither the daemon nor a Kubernetes client", async () => {
    const hook =
      'import{registerHooks as r}from"node:module";r({load(u,c,n){process.stderr.write(u+"\\n");return n(u,c)}})';
    const { err } = await vipcast(["--help"], {}, ["--import", `data:text/javascript,${encodeURIComponent(hook)}`]);
    expect(err).toContain("cli/program.ts");
    expect(err).not.toMatch(/daemon\/manager|client-node|koffi|pino|prom-client|src\/kube|src\/linux/);
  });
});

describe("flags", () => {
  it("of booleans need no value and take none from the next word, as with Go", () => {
    expect(
      normalizeArguments(["--arp", "manifest", "--taint", "--services=false", "-n=x", "--interface", "eth0"]),
    ).toEqual(["--arp=true", "manifest", "--taint=true", "--services=false", "-n", "x", "--interface", "eth0"]);
    expect(normalizeArguments(["--", "--arp"])).toEqual(["--", "--arp"]);
  });
  it("of kube-vip are all accepted, before and after the command", () => {
    const [program] = [createProgram()];
    const known = new Set(program.options.map(({ long }) => long));
    for (const { flag } of [...options, ...KUBE_VIP_ONLY]) if (flag) expect(known).toContain(`--${flag}`);
    for (const flag of ["vip", "peerAddress", "peerAS", "peerPass", "multihop", "arp", "bgp", "table"])
      expect(known).toContain(`--${flag}`);
  });
  it("may stand before the command, in pieces, and with an equals sign", async () => {
    const { code, out } = await vipcast([
      "--bgp",
      "--bgppeers=10.0.0.1:65001",
      "config",
      "--services=t",
      "--bgppeers",
      "10.0.0.2:65001",
      "-n=other",
      "-o",
      "json",
    ]);
    const { settings } = JSON.parse(out) as { settings: { key: string; value: unknown }[] };
    const value = (key: string): unknown => settings.find((it) => it.key === key)?.value;
    expect(code).toBe(0);
    expect(value("services.enabled")).toBe(true);
    expect(value("kubernetes.namespace")).toBe("other");
    expect(value("bgp.peers")).toMatchObject([{ address: "10.0.0.1" }, { address: "10.0.0.2" }]);
  });
});

describe("exit codes", () => {
  it.each<[string, string[], number, RegExp]>([
    ["an unknown command", ["manifst"], 2, /^vipcast: unknown command 'manifst' \(did you mean manifest\?\)\n$/],
    ["an unknown subcommand", ["manifest", "daemonse"], 2, /did you mean daemonset\?/],
    [
      "an unknown flag",
      ["manager", "--intreface", "x"],
      2,
      /^vipcast: unknown option '--intreface' \(did you mean --interface\?\)\n$/,
    ],
    ["an unknown flag with a value", ["manager", "--bgpper=x"], 2, /did you mean --bgppeers\?/],
    ["an unknown flag of a command", ["manifest", "daemonset", "--tiant"], 2, /did you mean --taint\?/],
    ["a flag without its value", ["manager", "--interface"], 2, /argument missing/],
    ["a word too many", ["version", "x"], 2, /too many arguments/],
    ["no command", [], 2, /Usage: vipcast/],
    ["no subcommand", ["manifest"], 2, /Usage: vipcast manifest/],
    ["an unknown shell", ["completion", "tcsh"], 2, /no completion for 'tcsh'/],
    ["an unknown format", ["config", "-o", "xml"], 2, /unknown format 'xml'/],
    ["an unknown format of a check", ["check", "x", "-o", "xml"], 2, /unknown format 'xml'/],
    ["a check without a file", ["check"], 2, /missing required argument/],
    ["a check of a file that is not there", ["check", "/nowhere.yaml"], 1, /cannot read \/nowhere\.yaml/],
    ["a configuration that is not accepted", ["config"], 1, /not accepted:\n {2}mode: no mode is chosen/],
    ["a daemon that is not configured", ["manager"], 1, /nothing to announce/],
    ["a generator that refuses", ["manifest", "pod"], 1, /no mode is chosen/],
    ["a file that is not there", ["config", "--config", "/nowhere.yaml"], 1, /cannot read \/nowhere\.yaml/],
    ["a kubeconfig that is not there", ["kubeadm", "join", "--config", "/nowhere.conf"], 1, /nowhere\.conf/],
    [
      "an image that is none",
      ["manifest", "pod", "--arp", "--services", "--image", "A B"],
      1,
      /not the reference of an image/,
    ],
    ["one node's name for all", ["manifest", "daemonset", "--arp", "--services", "--nodeName", "a"], 1, /every pod/],
    ["a boolean that is none", ["manifest", "rbac", "--role=yes"], 1, /true or false/],
  ])("%s", async (_, words, code, message) => {
    const outcome = await vipcast(words);
    expect(outcome.err).toMatch(message);
    expect(outcome).toMatchObject({ code, out: "" });
    expect(outcome.err).not.toContain("    at ");
  });

  it.each([[["--help"]], [["manager", "--help"]], [["version"]], [["--version"]], [["manifest", "rbac"]]])(
    "%j succeeds and prints to standard output",
    async (words) => {
      expect(await vipcast(words)).toMatchObject({ code: 0, err: "", out: expect.stringMatching(/\S/) });
    },
  );

  it("a reader that stops reading is no failure", async () => {
    const child = spawn("/bin/sh", ["-c", `"$NODE" "$MAIN" manager --help; echo "code $?" >&2`], {
      env: { NODE: process.execPath, MAIN },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 15_000,
    });
    child.stdout.destroy();
    let err = "";
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    await new Promise((resolve) => child.on("close", resolve));
    expect(err).toBe("code 0\n");
  });
});

describe("vipcast config", () => {
  it("says where each value came from and hides passwords", async () => {
    const file = join(folder, "vipcast.yaml");
    writeFileSync(file, "mode: bgp\nbgp:\n  localAs: 64512\n  peers:\n    - 10.0.0.1:65001:hunter2\n");
    const { code, out, err } = await vipcast(["config", "--config", file, "--services", "--port", "443"], {
      vip_interface: "eth0",
      vip_adress: "x",
    });
    expect(code).toBe(0);
    expect(err).toBe("vipcast: warning: vip_adress is not a known setting (did you mean vip_address?)\n");
    expect(out).toContain(`mode: bgp # ${file}:1:1 (file)\n`);
    expect(out).toContain("interface: eth0 # vip_interface (environment)\n");
    expect(out).toContain("  enabled: true # --services (flag)\n");
    expect(out).toContain(`  localAs: 64512 # ${file}:3:3 (file)\n`);
    expect(out).toContain("    password: (redacted)\n".slice(4));
    expect(out).not.toContain("hunter2");
  });
  it("prints a file that it accepts", async () => {
    const first = await vipcast(["config", "--bgp", "--services", "--bgppeers", "10.0.0.1:65001"]);
    const file = join(folder, "again.yaml");
    writeFileSync(file, first.out);
    const second = await vipcast(["config", "--config", file]);
    expect(second.code).toBe(0);
    expect(parse(second.out)).toEqual(parse(first.out));
  });
});

describe("completion", () => {
  it("for bash offers commands, subcommands and flags", async () => {
    const { out } = await vipcast(["completion", "bash"]);
    const complete = (line: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const words = line.split(" ");
        const script = `${out}\nCOMP_WORDS=(${words.map((it) => `"${it}"`).join(" ")}); COMP_CWORD=${words.length - 1}; _vipcast; echo "\${COMPREPLY[*]}"`;
        const child = spawn("bash", ["-c", script], { timeout: 15_000 });
        let text = "";
        child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
        child.on("error", reject).on("close", () => resolve(text.trim()));
      });
    expect(await complete("vipcast mani")).toBe("manifest");
    expect(await complete("vipcast manifest d")).toBe("daemonset");
    expect(await complete("vipcast manifest daemonset --ta")).toMatch(/^--taint\b/);
    expect(await complete("vipcast manager --controlplaneH")).toBe("");
    expect(await complete("vipcast manager --bgpp")).toBe("--bgppeers");
    expect(await complete("vipcast completion f")).toBe("fish");
    expect(await complete("vipcast --config vipcast.yaml st")).toBe("status");
    expect(await complete("vipcast status -o js")).toBe("");
    expect(await complete("vipcast status -o json --w")).toBe("--watch");
    expect(await complete("vipcast manager --bgp --contr")).toMatch(/^--controlplane\b/);
  });
});
