import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { command, CommandFailed } from "./rack/command.ts";
import { birdObstacle } from "./router/bird-daemon.ts";
import type { RouterKind } from "./router/driver.ts";
import { frrObstacle } from "./router/frr-daemons.ts";
import { kubeAssets } from "./kube/assets.ts";
import type { KubeKind } from "./rack/kube-server.ts";

/** The lab cannot run here. The message says why, and what to do about it. */
export class CannotRun extends Error {
  override readonly name = "CannotRun";
}

/** Set in the environment of the lab that runs in a user namespace of its own. */
const IN_USER_NAMESPACE = "VIPCAST_LAB_USER_NAMESPACE";

const USER_NAMESPACE = ["unshare", "--user", "--map-root-user", "--net", "--mount"];

const inUserNamespace = (): boolean => process.env[IN_USER_NAMESPACE] !== undefined;

/**
 * Gives the lab the rights to make network namespaces: root has them; anyone else gets them in a user namespace, where
 * the kernel allows that.
 *
 * @returns null to go on; an exit code when the lab has run in a user namespace and is over
 * @throws CannotRun
 */
export async function gainRights(
  forwardSignals: (kill: (signal: NodeJS.Signals) => void) => void,
): Promise<number | null> {
  if (process.getuid?.() === 0) {
    await command(["unshare", "--net", "--mount", "true"]).catch((cause: unknown) => {
      throw new CannotRun(
        "root here may not make network namespaces; in a container that takes CAP_SYS_ADMIN and CAP_NET_ADMIN (docker run --privileged)",
        { cause },
      );
    });
    return null;
  }
  await command([...USER_NAMESPACE, "true"]).catch((cause: unknown) => {
    throw new CannotRun(
      [
        "without root the lab needs user namespaces, and this kernel does not allow them. Either:",
        "  sudo npm run lab",
        "  sudo sysctl kernel.unprivileged_userns_clone=1                 (Debian)",
        "  sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0     (Ubuntu 24.04 and later)",
      ].join("\n"),
      { cause },
    );
  });
  // A /run of its own, because `ip netns` keeps its names there. Each program replaces itself with the next.
  const mounted = 'mount -t tmpfs tmpfs /run && exec setpriv --pdeathsig TERM -- "$@"';
  const again = ["sh", "-c", mounted, "sh", process.execPath, ...process.argv.slice(1)];
  const child = spawn(USER_NAMESPACE[0]!, [...USER_NAMESPACE.slice(1), ...again], {
    stdio: "inherit",
    // A group of its own: Ctrl-C in the terminal comes once, through us, like every other signal.
    detached: true,
    env: { ...process.env, [IN_USER_NAMESPACE]: "1" },
  });
  forwardSignals((signal) => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

/**
 * Makes sure of the one program that a minimal Debian may not have.
 *
 * @throws CannotRun
 */
export async function ensureIproute(print: (line: string) => void): Promise<void> {
  if (await isThere("ip", "-V")) return;
  const advice = "the lab needs the `ip` command: apt-get install iproute2";
  if (inUserNamespace() || !(await isThere("apt-get", "--version"))) throw new CannotRun(advice);
  print("installing iproute2 (apt-get), which the lab needs to make network namespaces …");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = ["apt-get", "install", "-y", "--no-install-recommends", "iproute2"];
  try {
    await command(["apt-get", "update"], { env, timeoutMillis: 120_000 });
    await command(install, { env, timeoutMillis: 120_000 });
  } catch (cause) {
    throw new CannotRun(`${advice}\n${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** @throws CannotRun when the router or the API server that was asked for is not to be had here. */
export function checkParts(router: RouterKind, kube: KubeKind): void {
  const obstacle = router === "frr" ? frrObstacle(inUserNamespace()) : router === "bird" ? birdObstacle() : null;
  if (obstacle !== null) throw new CannotRun(obstacle);
  if (!existsSync("/proc/sys/net/ipv6")) throw new CannotRun("this kernel runs without IPv6 (ipv6.disable=1?)");
  if (kube === "embedded") return;
  const assets = kubeAssets();
  if ("why" in assets) throw new CannotRun(assets.why);
}

async function isThere(program: string, question: string): Promise<boolean> {
  try {
    await command([program, question]);
    return true;
  } catch (error) {
    if (error instanceof CommandFailed) return false;
    throw error;
  }
}
