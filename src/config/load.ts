import { findings } from "./issues.ts";
import { type Option, options } from "./options.ts";
import { parsePlace } from "./peer-text.ts";
import { type ConfigProblem, type ConfigWarning, type Origin } from "./problem.ts";
import { type ConfigFile, readFile } from "./read-file.ts";
import { type Environment, type Flags, type Given, Names } from "./read-names.ts";
import type { Report } from "./resolve-session.ts";
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
export function loadSettings(sources: Sources): Loaded | Refused {
  const read = readConfig(sources);
  if ("errors" in read) return read;
  const { config, singlePeer, origins, names, report } = read;
  const settings = resolve(config, singlePeer, report, (key, message) => names.warn(key, message));
  if (settings === null) return { errors: names.problems, warnings: names.warnings };
  return { settings, config, singlePeer, warnings: names.warnings, origins };
}

/** For commands that need single values and no daemon: the rules over several keys are not applied. */
export function loadConfig(sources: Sources): Pick<Loaded, "config" | "warnings"> | Refused {
  const read = readConfig(sources);
  return "errors" in read ? read : { config: read.config, warnings: read.names.warnings };
}

interface Read {
  readonly config: Config;
  readonly singlePeer: Peer | null;
  readonly origins: ReadonlyMap<string, Origin>;
  readonly names: Names;
  readonly report: Report;
}

function readConfig({ flags, env, file }: Sources): Read | Refused {
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
  for (const option of options) {
    const given = readOption(names, option);
    if (given === null) continue;
    origins.set(option.key, { source: given.source, name: given.name });
    if (given.value !== undefined) setAt(tree, option.path, given.value);
  }
  names.foreign();
  names.unknown();
  const singlePeer = readSinglePeer(names);

  const listed = valueAt(tree, ["bgp", "peers"]);
  const singleIndex = Array.isArray(listed) ? listed.length : 0;
  const report: Report = (path, what, hint = "") => names.refuse(placeOf(path, origins, singleIndex), what, hint);
  const checked = Config.safeParse(tree);
  if (!checked.success) for (const it of findings(checked.error.issues, tree)) report(it.path, it.what, it.hint);
  // Rules over several keys mean little while single values are wrong.
  if (names.problems.length > 0 || !checked.success) return { errors: names.problems, warnings: names.warnings };
  return { config: checked.data, singlePeer, origins, names, report };
}

function readOption(names: Names, option: Option): Given | null {
  if (option.key === "mode") return chooseMode(names, option);
  return option.key === "bgp.peers" ? peerList(names, option) : names.option(option);
}

/** Where a key got its value, for the message. `singleIndex` is where the peer of `bgp_peeraddress` stands in the list. */
function placeOf(path: readonly PropertyKey[], origins: ReadonlyMap<string, Origin>, singleIndex: number): string {
  const key = pathText(path);
  if (path[0] === "bgp" && path[1] === "peers" && path[2] === singleIndex) return "bgp_peeraddress";
  const origin = origins.get(key) ?? origins.get(path.slice(0, 2).join(".")) ?? origins.get(String(path[0]));
  if (origin === undefined || origin.source === "default") return key === "" ? "settings" : key;
  if (origin.source === "file") return `${origin.name}: ${key}`;
  return `${origin.name}${pathText(path.filter((it) => typeof it === "number"))}`;
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
    asMode(names.find("table", ["vip_routingtable"], "bool"), "table"),
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
  const place = parsePlace(String(address.value));
  const checked = Peer.safeParse({
    address: place.address,
    as: as?.value ?? 65_000,
    multihop: multihop?.value ?? false,
    ...(place.zone === null ? {} : { sourceInterface: place.zone }),
    ...(password === null ? {} : { password: password.value }),
  });
  if (checked.success) return checked.data;
  for (const { path, message } of checked.error.issues) {
    const given = { as, password, multihop }[String(path[0])] ?? address;
    names.refuse(given.name, message || `must be ${formExpects("text")}`);
  }
  return null;
}
