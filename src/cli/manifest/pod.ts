import { printEnvironment, type Variable } from "../../config/environment.ts";
import type { Loaded } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import type { Settings } from "../../config/settings.ts";
import { sessionsOf } from "../../config/settings-sessions.ts";

/** How the pod is to run, beside the settings. */
export interface PodOptions {
  /** Complete reference. */
  readonly image: string;
  /** With the service account of `manifest rbac` instead of a kubeconfig of the host. */
  readonly inCluster: boolean;
  readonly version: string;
}

/** Where kubeadm puts the kubeconfig, on the host; and where the pod sees whichever it gets. */
const KUBECONFIG = "/etc/kubernetes/admin.conf";

/** Withdrawing, the routers' moving over and releasing Leases take a few seconds; this is far beyond. */
const GRACE_SECONDS = 20;

const graceSeconds = ({ bgp }: Settings): number => GRACE_SECONDS + Math.ceil((bgp?.drainMillis ?? 0) / 1000);

/** Namespace of all objects: the one that is served if there is one, as kube-vip. */
export const namespaceOf = (config: Config): string => config.services.namespace ?? "kube-system";

/** A static Pod: one node, for `/etc/kubernetes/manifests`. */
export function podManifest(loaded: Loaded, options: PodOptions): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "vipcast",
      namespace: namespaceOf(loaded.config),
      labels: { "app.kubernetes.io/name": "vipcast", "app.kubernetes.io/version": options.version },
    },
    spec: podSpec(loaded, options),
  };
}

export function podSpec(loaded: Loaded, options: PodOptions): object {
  const { settings } = loaded;
  const volumes = volumesOf(settings, options.inCluster);
  return {
    ...(options.inCluster ? { serviceAccountName: "vipcast" } : {}),
    hostNetwork: true,
    priorityClassName: "system-node-critical",
    terminationGracePeriodSeconds: graceSeconds(settings),
    // The kubeconfig names the VIP, which is not up before the pod is: the API server of this node answers to this name.
    ...(options.inCluster ? {} : { hostAliases: [{ ip: "127.0.0.1", hostnames: ["kubernetes"] }] }),
    containers: [
      {
        name: "vipcast",
        image: options.image,
        imagePullPolicy: "IfNotPresent",
        args: ["manager"],
        env: printEnvironment(loaded).map(environmentEntry),
        ...probes(settings),
        resources: { requests: { cpu: "50m", memory: "96Mi" } },
        securityContext: securityContext(settings),
        volumeMounts: volumes.map(({ name, mountPath, readOnly }) => ({
          name,
          mountPath,
          ...(readOnly ? { readOnly } : {}),
        })),
      },
    ],
    volumes: volumes.map(({ name, path, type }) => ({ name, hostPath: { path, type } })),
  };
}

/** Kubernetes replaces `$(NAME)` in values; a doubled `$` is a plain one. */
function environmentEntry({ name, value }: Variable): object {
  if (value === null) return { name, valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } };
  return { name, value: value.replaceAll("$", "$$$$") };
}

interface Volume {
  readonly name: string;
  readonly path: string;
  readonly mountPath: string;
  readonly type: "DirectoryOrCreate" | "File";
  readonly readOnly: boolean;
}

function volumesOf(settings: Settings, inCluster: boolean): readonly Volume[] {
  const { socketPath } = settings.status;
  const run = socketPath.slice(0, Math.max(1, socketPath.lastIndexOf("/")));
  const volumes: Volume[] = [{ name: "run", path: run, mountPath: run, type: "DirectoryOrCreate", readOnly: false }];
  if (!inCluster) {
    const path = settings.kubernetes.kubeconfig ?? KUBECONFIG;
    volumes.push({ name: "kubeconfig", path, mountPath: KUBECONFIG, type: "File", readOnly: true });
  }
  const caFile = settings.controlPlane?.healthCheck?.caFile ?? null;
  if (caFile !== null)
    volumes.push({ name: "health-check-ca", path: caFile, mountPath: caFile, type: "File", readOnly: true });
  etcdFiles(settings).forEach((path, index) =>
    volumes.push({ name: `etcd-${index + 1}`, path, mountPath: path, type: "File", readOnly: true }),
  );
  passwordFiles(settings).forEach((path, index) =>
    volumes.push({ name: `bgp-password-${index + 1}`, path, mountPath: path, type: "File", readOnly: true }),
  );
  return volumes;
}

function etcdFiles({ etcd }: Settings): readonly string[] {
  const files = etcd === null ? [] : [etcd.caFile, etcd.certFile, etcd.keyFile];
  return [...new Set(files.filter((path) => path !== null))];
}

function passwordFiles({ bgp }: Settings): readonly string[] {
  const sources = bgp === null ? [] : sessionsOf(bgp).map(({ password }) => password);
  return [...new Set(sources.flatMap((it) => (it?.kind === "file" ? [it.path] : [])))];
}

function probes({ health }: Settings): object {
  if (health === null) return {};
  const get = (path: string): object => ({ httpGet: { path, port: health.port } });
  return {
    livenessProbe: { ...get("/livez"), initialDelaySeconds: 10, periodSeconds: 10, failureThreshold: 3 },
    readinessProbe: { ...get("/readyz"), periodSeconds: 5 },
  };
}

/**
 * Root without any capability but those that the settings need: Kubernetes hands added capabilities to user 0 only, so
 * another user would have none.
 */
function securityContext(settings: Settings): object {
  const add = capabilitiesFor(settings);
  return {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { ...(add.length === 0 ? {} : { add }), drop: ["ALL"] },
    seccompProfile: { type: "RuntimeDefault" },
  };
}

export function capabilitiesFor({ mode, controlPlane, services, bgp }: Settings): string[] {
  const l2 = mode === "arp" || mode === "auto";
  const routes = mode === "table";
  const addresses = controlPlane !== null || (services?.attach ?? false);
  const rules = services !== null && (services.onlyServicePorts || services.sourceRanges);
  const bound = bgp?.peers.some((peer) => peer.sourceInterface !== null) ?? false;
  const bfd = bgp !== null && sessionsOf(bgp).some((it) => it.bfd !== null);
  const lowPort = bgp !== null && bgp.listen !== null && bgp.listen.port < 1024;
  return [
    // Addresses on interfaces, routes, and rules of nftables.
    ...(l2 || routes || addresses || rules ? ["NET_ADMIN"] : []),
    // Frames of ARP and NDP; binding a socket to a device.
    ...(l2 || addresses || bound ? ["NET_RAW"] : []),
    ...(lowPort ? ["NET_BIND_SERVICE"] : []),
    // Precedence of the BFD thread on a busy node.
    ...(bfd ? ["SYS_NICE"] : []),
  ];
}
