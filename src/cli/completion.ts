import type { Command } from "commander";
import { COMMAND_SWITCHES } from "./flags.ts";
import { knownFlags } from "../config/read-names.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

/** Adds `vipcast completion bash|zsh|fish`. */
export function registerCompletion(program: Command): void {
  program
    .command("completion")
    .description("print a script that completes commands and flags")
    .argument("<shell>", SHELLS.join(", "))
    .addHelpText("after", '\nExample:\n  eval "$(vipcast completion bash)"')
    .action((shell: string, _, command: Command) => {
      const known = SHELLS.find((it) => it === shell);
      if (known === undefined)
        command.error(`error: no completion for '${shell}': use ${SHELLS.join(", ")}`, { exitCode: 2 });
      process.stdout.write(completionScript(program, known));
    });
}

interface Completable {
  /** Words that lead to the command: "", "manifest", "manifest pod". */
  readonly words: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly flags: readonly string[];
}

/** Every command of the program, with what may follow it. */
function completables(program: Command): Completable[] {
  const walk = (command: Command, words: readonly string[], inherited: readonly string[]): Completable[] => {
    const own = command.options.filter((option) => !option.hidden).flatMap((option) => option.long ?? []);
    const flags = [...new Set([...inherited, ...own, "--help"])];
    const commands = command.commands.map((it) => ({ name: it.name(), description: it.description() }));
    const shells = command.name() === "completion" ? SHELLS.map((name) => ({ name, description: "" })) : [];
    return [
      { words: words.join(" "), commands: [...commands, ...shells], flags },
      ...command.commands.flatMap((it) => walk(it, [...words, it.name()], flags)),
    ];
  };
  return walk(program, [], []);
}

/** Flags that are settings belong to the commands that read settings. */
const WITH_SETTINGS = /^(manager|config|manifest|kubeadm)( |$)/;

function completionScript(program: Command, shell: (typeof SHELLS)[number]): string {
  const all = completables(program);
  const settings = [...knownFlags().keys()].map((name) => `--${name}`);
  const flagsOf = ({ words, flags }: Completable): string[] =>
    WITH_SETTINGS.test(words) ? [...flags, ...settings] : [...flags];
  if (shell === "fish") return fish(all, flagsOf);
  const cases = all.map(
    (it) =>
      `    ${JSON.stringify(it.words)}) next="${[...it.commands.map(({ name }) => name), ...flagsOf(it)].join(" ")}" ;;`,
  );
  const groups = all.filter(({ commands }) => commands.length > 0).map(({ words }) => JSON.stringify(words));
  const body = [
    "_vipcast() {",
    '  local words="" next="" index word',
    "  for ((index = 1; index < COMP_CWORD; index++)); do",
    '    word="${COMP_WORDS[index]}"',
    `    if [[ " ${takingValues(program).join(" ")} " == *" $word "* ]]; then`,
    "      # What follows is its value: nothing of ours, unless it is complete already.",
    "      ((++index < COMP_CWORD)) || return",
    "      continue",
    "    fi",
    '    case "$words" in',
    `      ${groups.join("|")}) ;;`,
    "      *) break ;;",
    "    esac",
    '    [[ $word == -* ]] || words="${words:+$words }$word"',
    "  done",
    '  case "$words" in',
    ...cases,
    "  esac",
    '  COMPREPLY=($(compgen -W "$next" -- "${COMP_WORDS[COMP_CWORD]}"))',
    "}",
    "complete -o default -F _vipcast vipcast",
  ];
  const head = shell === "zsh" ? ["autoload -Uz bashcompinit && bashcompinit"] : [];
  return `${[...head, ...body].join("\n")}\n`;
}

/** Every flag whose next word is its value. */
function takingValues(program: Command): string[] {
  const walk = (command: Command): string[] => [
    ...command.options.flatMap((it) => (it.required && !it.flags.includes("<bool>") ? [it.long!, it.short ?? ""] : [])),
    ...command.commands.flatMap(walk),
  ];
  return [...new Set(walk(program))].filter((flag) => flag !== "");
}

function fish(all: readonly Completable[], flagsOf: (it: Completable) => string[]): string {
  const switches = new Set<string>(COMMAND_SWITCHES);
  for (const [name, form] of knownFlags()) if (form === "bool") switches.add(name);
  const lines = all.flatMap((it) => {
    const inside =
      it.words === ""
        ? "__fish_use_subcommand"
        : it.words
            .split(" ")
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join("; and ");
    const names = it.commands.map(({ name }) => name).join(" ");
    const condition =
      it.words !== "" && names !== "" ? `${inside}; and not __fish_seen_subcommand_from ${names}` : inside;
    const commands = it.commands.map(
      ({ name, description }) =>
        `complete -c vipcast -f -n '${condition}' -a ${name} -d '${description.replaceAll("'", "")}'`,
    );
    const flags = flagsOf(it).map((flag) => {
      const name = flag.slice(2);
      return `complete -c vipcast -n '${inside}' -l ${name}${switches.has(name) || name === "help" ? "" : " -r"}`;
    });
    return [...commands, ...(it.commands.length === 0 ? flags : [])];
  });
  return `${lines.join("\n")}\n`;
}
