import { Command } from "commander";
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from "yaml";
import { syntaxProblem } from "../config/read-file.ts";
import { FlagValues, normalizeArguments } from "./flags.ts";
import { CommandFailed } from "./load-settings.ts";

/** A container of a manifest, with the settings that it gives its daemon. */
export interface Container {
  /** "DaemonSet kube-system/kube-vip-ds, container kube-vip". */
  readonly title: string;
  readonly place: string;
  readonly hostNetwork: boolean;
  /** The first word of the arguments. */
  readonly command: string | null;
  readonly replacesEntrypoint: boolean;
  readonly flags: Readonly<Record<string, string>>;
  /** What is no flag with a value that could be read. */
  readonly strayWords: readonly string[];
  /** The flag at the end that lacks its value. */
  readonly withoutValue: string | null;
  readonly env: Readonly<Record<string, string>>;
  /** Variables whose value is not in the manifest, with the place where it is. */
  readonly elsewhere: ReadonlyMap<string, string>;
  readonly hasEnvFrom: boolean;
  /** Null: everything. */
  readonly capabilities: readonly string[] | null;
  /** Of a variable, where it stands in the file; of anything else, where the container does. */
  readonly placeOf: (name: string) => string;
}

export interface ConfigMapText {
  readonly title: string;
  readonly data: Readonly<Record<string, string>>;
  readonly placeOf: (key: string) => string;
}

export interface Manifest {
  readonly containers: readonly Container[];
  readonly configMaps: readonly ConfigMapText[];
}

const TEXT_LENGTH_MAX = 4 * 1024 * 1024;
/** What the kubelet fills in, as far as only it can be known there. */
const FIELDS: Readonly<Record<string, string>> = {
  "spec.nodeName": "node-of-the-pod",
  "status.hostIP": "192.0.2.1",
  "status.podIP": "192.0.2.1",
};
/** What a container may do without being given it. */
const USUAL_CAPABILITIES = ["NET_RAW", "NET_BIND_SERVICE"];
const POOL_KEY = /^(cidr|range)-/;
const IS_OURS = /kube-?vip|vipcast/;

type Path = readonly (string | number)[];
type Value = Readonly<Record<string, unknown>>;

/** @throws CommandFailed when the text is not YAML */
export function readManifest(path: string, text: string): Manifest {
  if (text.length > TEXT_LENGTH_MAX) throw new CommandFailed(`${path}: longer than ${TEXT_LENGTH_MAX} characters`);
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, version: "1.2", schema: "core" });
  const documents: readonly Document.Parsed[] = Array.isArray(parsed) ? parsed : [];
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  const containers: Container[] = [];
  const configMaps: ConfigMapText[] = [];
  for (const document of documents) {
    const [error] = document.errors;
    if (error !== undefined) throw notYaml(at(error.pos[0]), error.code, error.message);
    const place = (where: Path): string => at(offsetOf(document, where));
    for (const { value, where } of objectsOf(valueOf(document, path))) {
      if (value["kind"] === "ConfigMap") configMaps.push(...configMapOf(value, where, place));
      else containers.push(...containersOf(value, where, place));
    }
  }
  return { containers, configMaps };
}

function valueOf(document: Document.Parsed, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw notYaml(path, "", error instanceof Error ? error.message : "");
  }
}

function notYaml(place: string, code: string, message: string): CommandFailed {
  const { what, hint } = syntaxProblem(code, message);
  return new CommandFailed(`${place}: not YAML: ${what}${hint === "" ? "" : ` (${hint})`}`);
}

function offsetOf(document: Document.Parsed, where: Path): number {
  for (let length = where.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : (document.getIn(where.slice(0, length), true) as Node | undefined);
    if ((isMap(node) || isSeq(node) || isScalar(node)) && node.range) return node.range[0];
  }
  return 0;
}

/** The object itself, or those of a List. */
function objectsOf(value: unknown, where: Path = []): { readonly value: Value; readonly where: Path }[] {
  const object = mapOf(value);
  const { items } = object;
  if (Array.isArray(items)) return items.flatMap((item, index) => objectsOf(item, [...where, "items", index]));
  return [{ value: object, where }];
}

const mapOf = (value: unknown): Value =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Value) : {};
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

function titleOf(value: Value): string {
  const { namespace, name } = mapOf(value["metadata"]);
  return `${textOf(value["kind"])} ${[namespace, name].filter((it) => typeof it === "string").join("/")}`;
}

/** `kubevip` is where kube-vip looks; another name is given by a setting. */
function configMapOf(value: Value, where: Path, place: (where: Path) => string): ConfigMapText[] {
  const data = Object.entries(mapOf(value["data"])).map(([key, text]) => [key, printed(text)] as const);
  const isPools = mapOf(value["metadata"])["name"] === "kubevip" || data.some(([key]) => POOL_KEY.test(key));
  if (!isPools) return [];
  const placeOf = (key: string): string => place([...where, "data", key]);
  return [{ title: titleOf(value), data: Object.fromEntries(data), placeOf }];
}

function containersOf(value: Value, where: Path, place: (where: Path) => string): Container[] {
  const inTemplate = Object.keys(mapOf(mapOf(value["spec"])["template"])).length > 0;
  const at = [...where, "spec", ...(inTemplate ? ["template", "spec"] : [])];
  const spec = mapOf(inTemplate ? mapOf(mapOf(mapOf(value["spec"])["template"])["spec"]) : value["spec"]);
  const all = listOf(spec["containers"]).map((it, index) => ({ container: mapOf(it), index }));
  const ours = all.filter(({ container }) =>
    IS_OURS.test(`${textOf(container["name"])} ${textOf(container["image"])}`),
  );
  // Whoever asks to check one lone container means it, whatever it is called.
  const meant = ours.length === 0 && all.length === 1 ? all : ours;
  return meant.map(({ container, index }) => {
    const words = [...listOf(container["command"]), ...listOf(container["args"])].map(printed);
    const replacesEntrypoint = listOf(container["command"]).length > 0;
    return {
      title: `${titleOf(value)}, container ${textOf(container["name"])}`,
      place: place([...at, "containers", index]),
      hostNetwork: spec["hostNetwork"] === true,
      replacesEntrypoint,
      ...readArguments(replacesEntrypoint ? words.slice(1) : words),
      ...readEnvironment(container, (entry) => place([...at, "containers", index, ...entry])),
      capabilities: capabilitiesOf(mapOf(container["securityContext"])),
    };
  });
}

function readArguments(words: readonly string[]): Pick<Container, "command" | "flags" | "strayWords" | "withoutValue"> {
  const flags = new FlagValues();
  const command = new Command().exitOverride().allowUnknownOption().allowExcessArguments();
  command.configureOutput({ writeErr: () => undefined });
  command.helpOption(false);
  command.option("--config <file>");
  for (const option of flags.options()) command.addOption(option);
  try {
    command.parse(normalizeArguments(words), { from: "user" });
  } catch {
    // Only the last word can be a flag without its value: any other takes the next word for it.
    return { command: words[0] ?? null, flags: flags.values, strayWords: [], withoutValue: words.at(-1) ?? null };
  }
  const [first, ...rest] = command.args;
  const known =
    first === undefined || first.startsWith("-") ? { name: null, rest: command.args } : { name: first, rest };
  const config = command.opts<{ config?: string }>().config;
  const stray = [...known.rest, ...(config === undefined ? [] : ["--config"])];
  return { command: known.name, flags: flags.values, strayWords: stray, withoutValue: null };
}

function readEnvironment(
  container: Value,
  place: (entry: Path) => string,
): Pick<Container, "env" | "elsewhere" | "hasEnvFrom" | "placeOf"> {
  const env: Record<string, string> = {};
  const elsewhere = new Map<string, string>();
  const places = new Map<string, string>();
  for (const [index, one] of listOf(container["env"]).entries()) {
    const { name, value, valueFrom } = mapOf(one);
    if (typeof name !== "string") continue;
    places.set(name, place(["env", index]));
    elsewhere.delete(name);
    delete env[name];
    const [from, reference] = Object.entries(mapOf(valueFrom))[0] ?? [];
    const field = FIELDS[textOf(mapOf(reference)["fieldPath"])];
    if (from === undefined) env[name] = printed(value ?? "").replaceAll("$$", "$");
    else if (field === undefined) elsewhere.set(name, from);
    else env[name] = field;
  }
  const placeOf = (name: string): string => places.get(name) ?? place([]);
  return { env, elsewhere, hasEnvFrom: listOf(container["envFrom"]).length > 0, placeOf };
}

function capabilitiesOf(context: Value): readonly string[] | null {
  if (context["privileged"] === true) return null;
  const { add, drop } = mapOf(context["capabilities"]);
  const added = listOf(add).map((it) => printed(it).toUpperCase().replace(/^CAP_/, ""));
  if (added.includes("ALL")) return null;
  const dropped = listOf(drop).map((it) => printed(it).toUpperCase().replace(/^CAP_/, ""));
  const usual = USUAL_CAPABILITIES.filter((it) => !dropped.includes("ALL") && !dropped.includes(it));
  return [...new Set([...added, ...usual])];
}

/** Values that YAML does not take for text are errors to Kubernetes; what they mean is plain all the same. */
const printed = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value ?? null));
