import type { Loaded } from "../../config/load.ts";
import { namespaceOf, type PodOptions, podSpec } from "./pod.ts";

const NAME = "vipcast-ds";

export interface DaemonSetOptions extends PodOptions {
  /** Only on control-plane nodes, whatever their taints; otherwise on every node without taints. */
  readonly taint: boolean;
}

/** The settings cannot be those of several nodes. */
export class NotForEveryNode extends Error {
  override readonly name = "NotForEveryNode";
}

/** @throws NotForEveryNode when the settings name one node */
export function daemonSetManifest(loaded: Loaded, options: DaemonSetOptions): object {
  if (loaded.settings.nodeName !== null)
    throw new NotForEveryNode(
      "a node name (--nodeName, vip_nodename) would be that of every pod: leave it out, each pod gets the name of its node",
    );
  const labels = { "app.kubernetes.io/name": NAME, "app.kubernetes.io/version": options.version };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: NAME, namespace: namespaceOf(loaded.config), labels },
    spec: {
      selector: { matchLabels: { "app.kubernetes.io/name": NAME } },
      // One node at a time: its VIPs move, all others stay where they are.
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels },
        spec: { ...podSpec(loaded, options), ...(options.taint ? controlPlaneOnly() : {}) },
      },
    },
  };
}

function controlPlaneOnly(): object {
  const having = (key: string): object => ({ matchExpressions: [{ key, operator: "Exists" }] });
  return {
    tolerations: [
      { operator: "Exists", effect: "NoSchedule" },
      { operator: "Exists", effect: "NoExecute" },
    ],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            having("node-role.kubernetes.io/master"),
            having("node-role.kubernetes.io/control-plane"),
          ],
        },
      },
    },
  };
}
