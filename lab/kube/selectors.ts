import { type KubeObject, isObject, textOf } from "./resources.ts";

/** A selector that this server cannot answer; a real one answers 400 as well. */
export class SelectorInvalid extends Error {
  override readonly name = "SelectorInvalid";
}

export type Selects = (object: KubeObject) => boolean;

/** @throws SelectorInvalid */
export function selectorOf(query: URLSearchParams): Selects {
  const requirements = [
    ...split(query.get("labelSelector")).map(labelRequirement),
    ...split(query.get("fieldSelector")).map(fieldRequirement),
  ];
  return (object) => requirements.every((holds) => holds(object));
}

/** Commas separate requirements, except inside the parentheses of a set. */
function split(text: string | null): string[] {
  return text ? text.split(/,(?![^(]*\))/).map((part) => part.trim()) : [];
}

function labelRequirement(text: string): Selects {
  const labels = (object: KubeObject) => (isObject(object.metadata["labels"]) ? object.metadata["labels"] : {});
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(text);
  if (set) {
    const [, key = "", operator, list = ""] = set;
    const values = new Set(list.split(",").map((value) => value.trim()));
    return (object) => values.has(textOf(labels(object)[key] ?? "\0")) === (operator === "in");
  }
  const equality = /^([^!=\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(text);
  if (equality) {
    const [, key = "", operator, value = ""] = equality;
    return (object) => (labels(object)[key] === value) === (operator !== "!=");
  }
  const presence = /^(!?)\s*([^!=\s()]+)$/.exec(text);
  if (!presence) throw new SelectorInvalid(`unable to parse requirement: ${text}`);
  const [, not, key = ""] = presence;
  return (object) => Object.hasOwn(labels(object), key) === (not === "");
}

function fieldRequirement(text: string): Selects {
  const match = /^(metadata\.name|metadata\.namespace)\s*(==|=|!=)\s*(\S*)$/.exec(text);
  if (!match) throw new SelectorInvalid(`field label not supported: ${text}`);
  const [, field = "", operator, value = ""] = match;
  const key = field.slice("metadata.".length);
  return (object) => (object.metadata[key] === value) === (operator !== "!=");
}
