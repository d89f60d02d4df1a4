import { asksForSomething, KUBE_VIP_ONLY } from "./kube-vip-only.ts";
import { didYouMean } from "./nearest.ts";
import { options, type Option } from "./options.ts";
import type { ConfigProblem, ConfigWarning } from "./problem.ts";
import { formExpects, parseText, splitList, type TextForm } from "./text.ts";

/** Flags by name without dashes, as text; a boolean flag without a value is "true". */
export type Flags = Readonly<Record<string, string | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;

/** Names of kube-vip that are not one leaf of the schema. */
const SPECIAL_FLAGS = {
  arp: "bool",
  bgp: "bool",
  table: "bool",
  vip: "list",
  peerAddress: "text",
  peerAS: "integer",
  peerPass: "text",
  multihop: "bool",
} as const satisfies Record<string, TextForm>;

const SPECIAL_ENVIRONMENT = [
  "vip_arp",
  "bgp_enable",
  "vip_routingtable",
  "bgp_peeraddress",
  "bgp_peeras",
  "bgp_peerpass",
  "bgp_multihop",
  "vipcast_bgp_peers",
] as const;

export interface Given {
  readonly source: "flag" | "environment";
  /** "--port" or "port". */
  readonly name: string;
  readonly value: unknown;
}

/** Reads names out of flags and environment and keeps what is wrong with them. */
export class Names {
  readonly problems: ConfigProblem[] = [];
  readonly warnings: ConfigWarning[] = [];
  readonly #flags: Flags;
  readonly #environment: Environment;

  constructor(flags: Flags, environment: Environment) {
    this.#flags = flags;
    this.#environment = environment;
  }

  /** The flag if it is set, else the first of the environment names that is. */
  find(
    flag: string | undefined,
    environment: readonly string[],
    form: TextForm,
    emptyMeansIt: Option["emptyMeansIt"] = [],
  ): Given | null {
    return this.#flag(flag, form, emptyMeansIt) ?? this.#variable(environment, form, emptyMeansIt);
  }

  option(option: Option): Given | null {
    // `--vip` is an older name of `--address`, as `vip_address` is one of `address`.
    const flag = this.#flag(option.flag, option.form, option.emptyMeansIt);
    const older = option.key === "controlPlane.addresses" && flag === null ? this.#flag("vip", option.form) : null;
    const given = flag ?? older ?? this.#variable(option.env, option.form, option.emptyMeansIt);
    if (given === null) return null;
    if (option.inverted && typeof given.value === "boolean") return { ...given, value: !given.value };
    if (given.name === "vip_cidr") this.warn("vip_cidr", "is the old name of vip_subnet; it is used");
    // kube-vip's own rule for an interval that would flood the segment.
    if (given.name === "vip_arpRate" && typeof given.value === "number" && given.value < 500) {
      this.warn("vip_arpRate", "is below 500 ms: the default of 3000 ms is used, as kube-vip does");
      return null;
    }
    return given;
  }

  warn(name: string, message: string): void {
    this.warnings.push({ name, message });
  }

  refuse(where: string, what: string, hint = ""): void {
    this.problems.push({ where, what, hint });
  }

  #flag(name: string | undefined, form: TextForm, emptyMeansIt: Option["emptyMeansIt"] = []): Given | null {
    const text = name === undefined ? undefined : this.#flags[name];
    if (text === undefined || (text === "" && !emptyMeansIt.includes("flag"))) return null;
    return this.#parse("flag", `--${name}`, text, form);
  }

  #variable(names: readonly string[], form: TextForm, emptyMeansIt: Option["emptyMeansIt"] = []): Given | null {
    const keepsEmpty = emptyMeansIt.includes("environment");
    const name = names.find((it) => {
      const text = this.#environment[it];
      return text !== undefined && (text !== "" || keepsEmpty);
    });
    return name === undefined ? null : this.#parse("environment", name, this.#environment[name]!, form);
  }

  #parse(source: Given["source"], name: string, text: string, form: TextForm): Given {
    // "auto" in the place of a length: the mask of the interface's own address. A host route works, too.
    if (form === "integers" && splitList(text).includes("auto")) {
      this.warn(name, '"auto" is not yet in vipcast: 32 and 128 are used');
      return { source, name, value: [] };
    }
    const value = parseText(form, text);
    if (value === undefined) {
      const shown = form === "json" ? "" : `, not "${text.slice(0, 60)}"`;
      this.refuse(name, `must be ${formExpects(form)}${shown}`);
    }
    return { source, name, value };
  }

  /** What kube-vip knows and vipcast does not. */
  foreign(): void {
    for (const option of KUBE_VIP_ONLY) {
      const given: readonly [string, string | undefined][] = [
        [`--${option.flag}`, option.flag === null ? undefined : this.#flags[option.flag]],
        [option.env ?? "", option.env === null ? undefined : this.#environment[option.env]],
      ];
      for (const [name, text] of given) {
        if (text === undefined) continue;
        const asks = asksForSomething(option, text);
        if (asks === null) this.refuse(name, `must be ${formExpects("bool")}, not "${text.slice(0, 60)}"`);
        else if (asks && option.verdict === "refused") this.refuse(name, option.because);
        else if (asks) this.warn(name, option.because);
      }
    }
  }

  /** Names that look like ours or kube-vip's and are neither. */
  unknown(): void {
    const names = knownEnvironment();
    for (const name of Object.keys(this.#environment)) {
      if (this.#environment[name] === "" || names.has(name)) continue;
      const lower = name.toLowerCase();
      if (lower !== name && names.has(lower) && PREFIXED.test(lower))
        this.warn(name, `is not read: names are lower case (did you mean ${lower}?)`);
      else if (PREFIXED.test(name)) {
        const hint = didYouMean(name, names);
        this.warn(name, `is not a known setting${hint === "" ? "" : ` (${hint})`}`);
      }
    }
    const flags = knownFlags();
    for (const name of Object.keys(this.#flags))
      if (!flags.has(name)) this.refuse(`--${name}`, "is not a known flag", didYouMean(name, flags.keys(), "--"));
  }
}

const PREFIXED = /^(vip|bgp|mpbgp|svc|cp|lb|vipcast|egress|zebra|dhcp|dns|control_plane_health_check)_/;

/** Every environment name that is read, or recognised as kube-vip's. */
function knownEnvironment(): ReadonlySet<string> {
  return new Set([
    ...options.flatMap((option) => option.env),
    ...SPECIAL_ENVIRONMENT,
    ...KUBE_VIP_ONLY.flatMap(({ env }) => (env === null ? [] : [env])),
  ]);
}

export const readVariables = (): Iterable<string> => knownEnvironment();
export const isReadVariable = (name: string): boolean => knownEnvironment().has(name);

/** Every flag with its form. */
export function knownFlags(): ReadonlyMap<string, TextForm> {
  return new Map<string, TextForm>([
    ...options.flatMap((option): [string, TextForm][] =>
      option.flag === undefined ? [] : [[option.flag, option.form]],
    ),
    ...Object.entries(SPECIAL_FLAGS),
    ...KUBE_VIP_ONLY.flatMap(({ flag, form }): [string, TextForm][] => (flag === null ? [] : [[flag, form]])),
  ]);
}
