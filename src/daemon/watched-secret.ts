import { ListWatch, type ListWatchParts } from "../kube/cache.ts";
import type { WatchedSecret } from "./secrets.ts";

/** The part of a Secret that is of use. */
interface SecretObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** Follows one Secret alone, so that the right to read that one is enough. */
export function watchSecret(
  parts: ListWatchParts,
  namespace: string,
  name: string,
  onChange: () => void,
): WatchedSecret {
  const watch = new ListWatch<Readonly<Record<string, string>>>(parts, {
    path: `/api/v1/namespaces/${namespace}/secrets`,
    query: { fieldSelector: `metadata.name=${name}` },
    reduce: (object) => decoded((object as SecretObject).data ?? {}),
  });
  watch.onChange(onChange);
  return {
    get data() {
      return watch.facts.get(`${namespace}/${name}`) ?? null;
    },
    get error() {
      return watch.lastError;
    },
    get synced() {
      return watch.synced;
    },
    close: () => watch.stop(),
  };
}

const decoded = (data: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, "base64").toString()]));
