import { findings } from "./issues.ts";
import { type Option, options } from "./options.ts";
import { type ConfigProblem, type ConfigWarning, type Origin } from "./problem.ts";
import { type ConfigFile, readFile } from "./read-file.ts";
import { type Environment, type Flags, type Given, Names } from "./read-names.ts";
import { resolve } from "./resolve.ts";
import { Config, Peer } from "./schema.ts";
import type { Settings } from "./settings.ts";
import { formExpects } from "./text.ts";
import { pathText, setAt, valueAt } from "./tree.ts";

export interface Sources {
  readonly flags: Flags;
  readonly env: Environment;
  readonly file: ConfigFile | null;
}

export interface Loaded {
  readonly settings: Settings;
  /** The same in the form of the file, defaults included. */
  readonly config: Config;
  /** The peer of `bgp_peeraddress`, which is not in `config`. */
  readonly singlePeer: Peer | null;
  readonly warnings: readonly ConfigWarning[];
  /** By key, for every key of the schema. */
  readonly origins: ReadonlyMap<string, Origin>;
}

export interface Refused {
  /** At least one; all that could be found in one go. */
  readonly errors: readonly ConfigProblem[];
  readonly warnings: readonly ConfigWarning[];
}

/**
 * Settings from all sources: flag before environment before file before default, each name by itself.
 * Pure: the caller reads the file and hands over the environment.
 */
export function loadSettings({ flags, env, file }: Sources): Loaded | Refused {
  const names = new Names(flags, env);
  const read = file === null ? null : readFile(file);
  const fromFile = read === null || "problems" in read ? null : read;
  if (read !== null && "problems" in read) names.problems.push(...read.problems);

  const tree = structuredClone(fromFile?.tree ?? {});
  const origins = new Map<string, Origin>();
  for (const { path, key } of options) {
    const inFile = fromFile !== null && valueAt(tree, path) !== undefined;
    origins.set(key, inFile ? { source: "file", name: fromFile.positionOf(path) } : { source: "default" });
  }
  const put = (option: Option, given: Given): void => {
    origins.set(option.key, { source: given.source, name: given.name });
    if (given.value !== undefined) setAt(tree, option.path, given.value);
  };
  for (const option of options) {
    if (option.key === "mode") continue;
    const given = option.key === "bgp.peers" ? peerList(names, option) : names.option(option);
    if (given !== null) put(option, given);
  }
  const modeOption = options.find(({ key }) => key === "mode")!;
  const mode = chooseMode(names, modeOption);
  if (mode !== null) put(modeOption, mode);
  names.foreign(valueAt(tree, ["controlPlane", "port"]) ?? 6443);
  names.unknown();
  const singlePeer = readSinglePeer(names);

  const report = (path: readonly PropertyKey[], what: string, hint = ""): void =>
    names.refuse(place(path, origins, singlePeer === null ? null : valueAt(tree, ["bgp", "peers"])), what, hint);
  const checked = Config.safeParse(tree);
  if (!checked.success) for (const it of findings(checked.error.issues, tree)) report(it.path, it.what, it.hint);
  // Rules over several keys mean little while single values are wrong.
  if (names.problems.length > 0 || !checked.success) return { errors: names.problems, warnings: names.warnings };
  const config = checked.data;
  const settings = resolve(config, singlePeer, report, (key, message) => names.warn(key, message));
  if (settings === null) return { errors: names.problems, warnings: names.warnings };
  return { settings, config, singlePeer, warnings: names.warnings, origins };
}

/** Where a key got its value, for the message. */
function place(path: readonly PropertyKey[], origins: ReadonlyMap<string, Origin>, peers: unknown): string {
  const key = pathText(path);
  if (
    path[0] === "bgp" &&
    path[1] === "peers" &&
    peers !== null &&
    path[2] === (Array.isArray(peers) ? peers.length : 0)
  )
    return "bgp_peeraddress";
  const origin =
    origins.get(path.filter((it) => typeof it === "string").join(".")) ?? origins.get(path.slice(0, 2).join("."));
  if (origin === undefined || origin.source === "default") return key === "" ? "settings" : key;
  return origin.source === "file"
    ? `${origin.name}: ${key}`
    : `${origin.name}${pathText(path.filter((it) => typeof it === "number"))}`;
}

/** `bgp_peers` and the JSON of `vipcast_bgp_peers` are one list. */
function peerList(names: Names, option: Option): Given | null {
  const text = names.option(option);
  if (text?.source === "flag") return text;
  const json = names.find(undefined, ["vipcast_bgp_peers"], "json");
  if (json === null || json.value === undefined) return text ?? json;
  if (!Array.isArray(json.value)) {
    names.refuse(json.name, "must be a JSON array of peers");
    return text;
  }
  if (text === null) return json;
  const list = [...(text.value as readonly unknown[]), ...(json.value as readonly unknown[])];
  return { ...json, name: `${text.name} and ${json.name}`, value: list };
}

/**
 * kube-vip chooses a mode by switches, we also by a name. The highest source that chooses decides; two different choices
 * of one source are a contradiction, except that `auto` is both.
 */
function chooseMode(names: Names, option: Option): Given | null {
  const chosen = [
    names.option(option),
    asMode(names.find("arp", ["vip_arp"], "bool"), "arp"),
    asMode(names.find("bgp", ["bgp_enable"], "bool"), "bgp"),
  ].filter((it): it is Given => it !== null);
  const source = chosen.some((it) => it.source === "flag") ? "flag" : "environment";
  const asked = chosen.filter((it) => it.source === source);
  const auto = asked.find((it) => it.value === "auto");
  if (auto !== undefined) return auto;
  const [first] = asked;
  const other = asked.find((it) => it.value !== first?.value);
  if (first !== undefined && other !== undefined)
    names.refuse(
      `${first.name} and ${other.name}`,
      "choose two modes at once",
      "keep one of them, or set vipcast_mode=auto for BGP with ARP as fallback",
    );
  return first ?? null;
}

const asMode = (given: Given | null, mode: string): Given | null =>
  given?.value === true ? { ...given, value: mode } : null;

/** kube-vip's older names for one more peer. Its generator always writes them, empty or not. */
function readSinglePeer(names: Names): Peer | null {
  const address = names.find("peerAddress", ["bgp_peeraddress"], "text");
  const as = names.find("peerAS", ["bgp_peeras"], "integer");
  const password = names.find("peerPass", ["bgp_peerpass"], "text");
  const multihop = names.find("multihop", ["bgp_multihop"], "bool");
  if (address === null) {
    if (password !== null) names.warn(password.name, "has no effect without bgp_peeraddress");
    if (multihop?.value === true) names.warn(multihop.name, "has no effect without bgp_peeraddress");
    return null;
  }
  const zoned = /^\[?([^\]%]*)(?:%([^\]]*))?\]?$/.exec(String(address.value));
  const checked = Peer.safeParse({
    address: zoned?.[1] ?? address.value,
    as: as?.value ?? 65_000,
    multihop: multihop?.value ?? false,
    ...(zoned?.[2] === undefined ? {} : { sourceInterface: zoned[2] }),
    ...(password === null ? {} : { password: password.value }),
  });
  if (checked.success) return checked.data;
  for (const { path, message } of checked.error.issues) {
    const given = { as, password, multihop }[String(path[0])] ?? address;
    names.refuse(given.name, message || `must be ${formExpects("text")}`);
  }
  return null;
}
