import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The version that test/kube/go.mod pins. */
export const KUBE_VERSION = "1.36.3";

/** Where test/kube/build.ts puts kube-apiserver and etcd: outside the work tree, one folder per version. */
export function cacheFolder(): string {
  const base = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(base, "vipcast", `kube-${KUBE_VERSION}`);
}

/**
 * The folder with kube-apiserver and etcd: KUBEBUILDER_ASSETS (the ecosystem's variable; envtest sets it) or the cache
 * folder; or why there is none.
 */
export function kubeAssets(): { readonly folder: string } | { readonly why: string } {
  const chosen = process.env["KUBEBUILDER_ASSETS"];
  const folder = chosen || cacheFolder();
  const missing = ["kube-apiserver", "etcd"].filter((name) => !isExecutable(join(folder, name)));
  if (missing.length === 0) return { folder };
  const what = missing.join(" and ");
  return {
    why: chosen
      ? `KUBEBUILDER_ASSETS is ${chosen}, which has no ${what}`
      : `no ${what}: set KUBEBUILDER_ASSETS to a folder with envtest's binaries, or run npm run kube:build (needs Go)`,
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
