import type { ManagedProcess } from "./processes.ts";
import type { Rack } from "./rack.ts";

const SCRIPT = new URL("kube-vip-main.ts", import.meta.url).pathname;

/** What kube-vip's environment says, in the words of its settings. */
export interface KubeVipSettings {
  /** The node's name. */
  readonly identity: string;
  /** Name of the control-plane Lease. */
  readonly lease: string;
  readonly vips: readonly string[];
  readonly interfaceName: string;
  readonly arpRateMillis: number;
  readonly durationSeconds: number;
  readonly renewDeadlineSeconds: number;
  readonly retryPeriodSeconds: number;
}

/** Starts what stands in for kube-vip on a node, beside nothing else. @param onLine  "leading" is one of its lines */
export function startKubeVip(rack: Rack, settings: KubeVipSettings, onLine: (line: string) => void): ManagedProcess {
  const access = ["ca.crt", "token"].map((name) => `${rack.folder}/${name}`);
  return rack.processes.start({
    name: `${settings.identity}-kube-vip`,
    host: settings.identity,
    argv: [process.execPath, SCRIPT, ...access, JSON.stringify(settings)],
    onLine,
  });
}
