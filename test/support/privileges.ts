import { spawnSync } from "node:child_process";

const hasIproute = (): boolean => spawnSync("ip", ["-Version"]).status === 0;

/** Why tests that make network namespaces cannot run here; null when they can. For `describe.runIf(!needsRoot)`. */
export const needsRoot: string | null =
  process.getuid?.() !== 0
    ? "they make network namespaces, which takes root"
    : hasIproute()
      ? null
      : "they make network namespaces with `ip`, which is not installed (package iproute2)";

/** The same for tests that look at nftables with `nft`. */
export const needsNft: string | null =
  needsRoot ??
  (spawnSync("nft", ["--version"]).status === 0 ? null : "they look at rules with `nft`, which is not installed");
