import { Command, Help, Option } from "commander";
import { loadSettings } from "../config/load.ts";
import { didYouMean } from "../config/nearest.ts";
import { knownFlags } from "../config/read-names.ts";
import { VERSION } from "../daemon/version.ts";
import { registerCheck } from "./check-command.ts";
import { registerCompletion } from "./completion.ts";
import { registerConfig } from "./config-command.ts";
import { registerExplain } from "./explain.ts";
import { FlagValues, flagsHelp } from "./flags.ts";
import { accepted, sources, warn, warningText } from "./load-settings.ts";
import { registerManifest } from "./manifest-command.ts";
import { registerPeer } from "./peer.ts";
import { registerStatus } from "./status.ts";

const MAY_HOLD_PASSWORDS = ["bgppeers", "peerPass"];

/** The command line. Loads neither the daemon nor a Kubernetes client: `manager` does that when it is run. */
export function createProgram(): Command {
  const flags = new FlagValues();
  const program = new Command("vipcast")
    .description("Announces the virtual IPs of a Kubernetes cluster by BGP, ARP and NDP.")
    .version(VERSION, "--version", "print the version")
    .exitOverride()
    .showSuggestionAfterError(false)
    .helpCommand("help [command]", "print the help of a command")
    .configureHelp({
      helpWidth: 80,
      optionTerm: (option) => option.flags.replace(" <bool>", ""),
      optionDescription: (option) => new Help().optionDescription(option).replace(" (default: false)", ""),
    })
    .configureOutput({ outputError: (text, write) => write(withHint(text, program)) })
    .addOption(new Option("--config <file>", "YAML file with settings"))
    .addHelpText(
      "after",
      "\nSettings can be given as flags: see `vipcast manager --help`.\n" +
        "Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 (status, explain, peer) the\n" +
        "daemon runs, but something is not as it should be.\n\nExample:\n  vipcast status",
    );
  for (const option of flags.options()) program.addOption(option);

  program
    .command("manager")
    .description("run the daemon of one node")
    .addHelpText("after", flagsHelp())
    .addHelpText(
      "after",
      "\nExample:\n  vipcast manager --bgp --bgppeers 10.0.0.1:65001 \\\n    --controlplane --address 10.0.0.10",
    )
    .action(async () => {
      const result = loadSettings(sources(flags.values, program.opts<{ config?: string }>().config));
      if ("errors" in result) warn(result.warnings);
      const { settings, warnings } = accepted(result);
      // Every user of the machine may read command lines.
      if (MAY_HOLD_PASSWORDS.some((name) => name in flags.values)) process.title = "vipcast manager";
      const { runManager } = await import("../daemon/manager.ts");
      await runManager(settings, warnings.map(warningText));
    });
  registerStatus(program);
  registerExplain(program);
  registerPeer(program);
  registerConfig(program, flags);
  registerCheck(program);
  registerManifest(program, flags);
  program
    .command("version")
    .description("print the version")
    .addHelpText("after", "\nExample:\n  vipcast version")
    .action(() => {
      process.stdout.write(`vipcast ${VERSION} (Node.js ${process.version.slice(1)})\n`);
    });
  registerCompletion(program);
  return program;
}

/** The message of a usage error, with the name that was probably meant. */
function withHint(text: string, program: Command): string {
  const line = text.trimEnd();
  const flag = /unknown option '--([^'=]*)/.exec(line);
  const command = /unknown command '([^']*)'/.exec(line);
  const names = (it: Command): string[] => it.commands.flatMap((child) => [child.name(), ...names(child)]);
  const longs = (it: Command): string[] => [
    ...it.options.filter((option) => !option.hidden).map((option) => option.long?.slice(2) ?? ""),
    ...it.commands.flatMap(longs),
  ];
  const hint = flag
    ? didYouMean(flag[1]!, [...knownFlags().keys(), ...longs(program)], "--")
    : command
      ? didYouMean(command[1]!, names(program))
      : "";
  const help = flag || command ? "see vipcast --help" : "";
  const advice = hint === "" ? help : hint;
  return `vipcast: ${line.replace(/^error: /, "")}${advice === "" ? "" : ` (${advice})`}\n`;
}
