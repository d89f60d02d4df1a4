import { differentDefaults, KUBE_VIP_DIFFERS } from "../config/kube-vip-differs.ts";
import { asksForSomething, isMissed, KUBE_VIP_ONLY } from "../config/kube-vip-only.ts";
import { type Loaded, loadSettings, type Refused } from "../config/load.ts";
import { didYouMean } from "../config/nearest.ts";
import { options } from "../config/options.ts";
import { type ConfigProblem, problemText } from "../config/problem.ts";
import { isReadVariable, knownFlags, readVariables } from "../config/read-names.ts";
import type { Container } from "./check-manifest.ts";
import { capabilitiesFor } from "./manifest/pod.ts";

export type Verdict = "as is" | "differs" | "not supported" | "wrong" | "unknown" | "not judged";

export interface SettingVerdict {
  /** Variable, or flag with its dashes. */
  readonly name: string;
  readonly place: string;
  readonly verdict: Verdict;
  readonly detail: string;
}

export interface ContainerVerdict {
  readonly title: string;
  readonly settings: readonly SettingVerdict[];
  /** What `manager` would refuse beside single settings, and what the pod lacks. */
  readonly errors: readonly string[];
  readonly notes: readonly string[];
}

/** What vipcast makes of the settings of one container, by the reading that `manager` itself does. */
export function checkContainer(container: Container): ContainerVerdict {
  const { flags, env } = container;
  const loaded = loadSettings({ flags: { ...flags, ...strayFlags(container) }, env, file: null });
  const errors = "errors" in loaded ? loaded.errors : [];
  const names = [
    ...Object.keys({ ...flags, ...strayFlags(container) }).map((name) => `--${name}`),
    ...Object.keys(env),
    ...container.elsewhere.keys(),
  ];
  const settings = names.map((name) => judge(name, container, loaded, errors));
  const others = errors.filter((error) => !names.some((name) => isAbout(error, name)));
  const isGiven = (variable: string): boolean => names.some((name) => variableOf(name) === variable);
  return {
    title: container.title,
    settings,
    errors: [...others.map(problemText), ...podErrors(container, loaded)],
    notes: [
      ...("errors" in loaded ? [] : differentDefaults(loaded.settings, isGiven)),
      ...lackingCapabilities(container, loaded)
        .filter((it) => !NEEDED.includes(it))
        .map(
          (it) =>
            `capability ${it} is not added: ${it === "SYS_NICE" ? "BFD has no precedence on a busy node" : "no listening on a port below 1024"}`,
        ),
      ...(container.hasEnvFrom ? ["variables of envFrom are not in the manifest, and not judged"] : []),
    ],
  };
}

/** A flag that nobody knows, as `manager` would see it. */
const strayFlags = ({ strayWords }: Container): Record<string, string> =>
  Object.fromEntries(
    strayWords
      .filter((word) => word.startsWith("--") && word !== "--config")
      .map((word) => [word.slice(2).split("=", 1)[0]!, ""]),
  );

function judge(
  name: string,
  container: Container,
  loaded: Loaded | Refused,
  errors: readonly ConfigProblem[],
): SettingVerdict {
  const isFlag = name.startsWith("--");
  const place = isFlag ? container.place : container.placeOf(name);
  const is = (verdict: Verdict, detail: string): SettingVerdict => ({ name, place, verdict, detail });
  const source = container.elsewhere.get(name);
  if (source !== undefined)
    return isReadVariable(name)
      ? is("not judged", `its value is in ${source}, not in the manifest`)
      : unknownVariable(name, is);
  const foreign = KUBE_VIP_ONLY.find(({ flag, env }) => (isFlag ? `--${flag}` === name : env === name));
  const text = (isFlag ? container.flags[name.slice(2)] : container.env[name]) ?? "";
  if (foreign !== undefined) {
    const asks = asksForSomething(foreign, text);
    if (asks === false) return is("as is", "asks for nothing that is not so");
    if (asks === true) return is(isMissed(foreign) ? "not supported" : "differs", foreign.because);
  }
  const wrong = errors.filter((error) => isAbout(error, name));
  if (isFlag && !knownFlags().has(name.slice(2)))
    return is("unknown", ["is not a known flag: manager would not start", wrong[0]?.hint].filter(Boolean).join("; "));
  if (wrong.length > 0)
    return is("wrong", wrong.map(({ what, hint }) => (hint === "" ? what : `${what} (${hint})`)).join("; "));
  if (!isFlag && !isReadVariable(name)) return unknownVariable(name, is);
  const warnings = loaded.warnings.filter((warning) => warning.name === name).map(({ message }) => message);
  const differs = text === "" ? undefined : KUBE_VIP_DIFFERS.get(variableOf(name));
  const details = [...warnings, ...(differs === undefined ? [] : [differs])];
  return details.length > 0 ? is("differs", details.join("; ")) : is("as is", "");
}

const unknownVariable = (name: string, is: (verdict: Verdict, detail: string) => SettingVerdict): SettingVerdict =>
  is("unknown", ["is not read", didYouMean(name, readVariables())].filter((it) => it !== "").join("; "));

/** Problems name a variable or flag, one of the list in it, or two at once. */
const isAbout = ({ where }: ConfigProblem, name: string): boolean =>
  where.split(" and ").some((part) => part === name || part.startsWith(`${name}[`) || part.startsWith(`${name}.`));

/** The first variable of the setting. */
function variableOf(name: string): string {
  const option = options.find(({ flag, env }) => `--${flag}` === name || env.includes(name));
  return option?.env[0] ?? name;
}

/** What keeps the pod from doing as its settings say. */
function podErrors(container: Container, loaded: Loaded | Refused): string[] {
  const { command, strayWords, withoutValue } = container;
  const errors: string[] = [];
  if (container.replacesEntrypoint)
    errors.push(`${container.place}: the image of vipcast has another program: leave \`command\` out, keep \`args\``);
  if (command !== "manager")
    errors.push(`${container.place}: args must begin with manager${command === null ? "" : `, not ${command}`}`);
  for (const word of strayWords) {
    if (word === "--config")
      errors.push("--config names a file that is not in the manifest: check with `vipcast config`");
    else if (!word.startsWith("--")) errors.push(`${container.place}: "${word.slice(0, 60)}" is no setting`);
  }
  if (withoutValue !== null) errors.push(`${container.place}: ${withoutValue} has no value: manager would not start`);
  if (!container.hostNetwork) errors.push(`${container.place}: spec.hostNetwork must be true`);
  const lacking = lackingCapabilities(container, loaded).filter((it) => NEEDED.includes(it));
  if (lacking.length > 0)
    errors.push(`${container.place}: securityContext.capabilities.add lacks ${lacking.join(" and ")}`);
  return errors;
}

/** Without these the VIP is not there. */
const NEEDED: readonly string[] = ["NET_ADMIN", "NET_RAW"];

function lackingCapabilities({ capabilities }: Container, loaded: Loaded | Refused): readonly string[] {
  if ("errors" in loaded || capabilities === null) return [];
  return capabilitiesFor(loaded.settings).filter((it) => !capabilities.includes(it));
}
