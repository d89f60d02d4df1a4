import type { NodeMarks } from "./settings.ts";

type Labels = NodeMarks["labels"];

/** True where the labels have all that the selector asks for, as `matchLabels` of Kubernetes; null asks for nothing. */
export const fits = (selector: Labels | null, labels: Labels): boolean =>
  Object.entries(selector ?? {}).every(([key, value]) => labels[key] === value);

/**
 * Whether one node may fit both. What labels the nodes of today have does not matter: only two values of one label
 * exclude each other, whoever is relabelled.
 */
export const mayOverlap = (one: Labels | null, other: Labels | null): boolean =>
  Object.entries(one ?? {}).every(
    ([key, value]) => other === null || !Object.hasOwn(other, key) || other[key] === value,
  );
