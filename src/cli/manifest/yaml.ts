import { Document, isMap, isScalar, isSeq, type Node, Scalar, visit } from "yaml";

/**
 * Kubernetes objects as YAML documents. Text that an older YAML parser would take for something else ("on", "1:30") is
 * quoted; values of environment variables always are, because the API accepts nothing but text there.
 */
export function manifestYaml(objects: readonly object[]): string {
  return objects.map((object) => documentOf(object)).join("---\n");
}

function documentOf(object: object): string {
  const document = new Document(object, { compat: "yaml-1.1", aliasDuplicateObjects: false });
  visit(document, {
    Pair(_, pair) {
      if (!isScalar(pair.key)) return;
      if (pair.key.value === "env" && isSeq(pair.value)) pair.value.items.forEach(quoteValue);
      else if (isSeq(pair.value) && pair.value.items.every(isScalar)) pair.value.flow = true;
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function quoteValue(variable: unknown): void {
  if (!isMap<Node, Node>(variable)) return;
  const value = variable.get("value", true);
  if (isScalar(value)) value.type = Scalar.QUOTE_DOUBLE;
}
