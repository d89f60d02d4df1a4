/** What `manifest rbac` is asked for. */
export interface RbacOptions {
  readonly namespace: string;
  /** A Role instead of the ClusterRole: only Services of `namespace`. */
  readonly role: boolean;
  /** Bind in `namespace` only. */
  readonly roleBinding: boolean;
  /** The ConfigMap of address pools, when addresses are given from them. */
  readonly configMap?: { readonly namespace: string; readonly name: string };
  /** Secrets that the configuration names; without a namespace those of `namespace`. */
  readonly secrets: readonly SecretName[];
}

interface SecretName {
  readonly namespace?: string | undefined;
  readonly name: string;
}

const NAME = "vipcast";
const CLUSTER_ROLE = "system:vipcast-role";
const CLUSTER_BINDING = "system:vipcast-binding";
const SECRETS_ROLE = "vipcast-bgp-passwords";
const POOLS_ROLE = "vipcast-pools";
const NODES_ROLE = "system:vipcast-nodes";
const RBAC = "rbac.authorization.k8s.io";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** Just what the daemon asks of the API; a request that is not here would fail with 403. */
const RULES: readonly Rule[] = [
  // The watch, and the annotation kube-vip.io/vipHost.
  { apiGroups: [""], resources: ["services"], verbs: ["list", "watch", "patch"] },
  { apiGroups: [""], resources: ["services/status"], verbs: ["patch"] },
  { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
  { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "list", "watch", "create", "update"] },
];
/** Nodes belong to no namespace. */
const NODE_RULES: readonly Rule[] = [{ apiGroups: [""], resources: ["nodes"], verbs: ["list", "watch"] }];

/** ServiceAccount, roles and bindings; with a binding for one namespace also the little that is needed outside of it. */
export function rbacManifest(options: RbacOptions): object[] {
  return [...daemonRights(options), ...poolRights(options), ...secretRights(options)];
}

/** That ConfigMap alone; the Services that get addresses are among the daemon's own rights. */
function poolRights({ namespace, configMap }: RbacOptions): object[] {
  if (configMap === undefined) return [];
  const metadata = { name: POOLS_ROLE, namespace: configMap.namespace };
  const rule: Rule = {
    apiGroups: [""],
    resources: ["configmaps"],
    resourceNames: [configMap.name],
    verbs: ["list", "watch"],
  };
  return [
    { apiVersion: `${RBAC}/v1`, kind: "Role", metadata, rules: [rule] },
    {
      apiVersion: `${RBAC}/v1`,
      kind: "RoleBinding",
      metadata,
      roleRef: { apiGroup: RBAC, kind: "Role", name: POOLS_ROLE },
      subjects: [{ kind: "ServiceAccount", name: NAME, namespace }],
    },
  ];
}

/** Those Secrets alone, and no other of their namespaces. */
function secretRights({ namespace, secrets }: RbacOptions): object[] {
  const places = Map.groupBy(secrets, (it) => it.namespace ?? namespace);
  return [...places].flatMap(([place, named]) => {
    const metadata = { name: SECRETS_ROLE, namespace: place };
    const resourceNames = [...new Set(named.map(({ name }) => name))];
    return [
      {
        apiVersion: `${RBAC}/v1`,
        kind: "Role",
        metadata,
        rules: [{ apiGroups: [""], resources: ["secrets"], resourceNames, verbs: ["list", "watch"] }] satisfies Rule[],
      },
      {
        apiVersion: `${RBAC}/v1`,
        kind: "RoleBinding",
        metadata,
        roleRef: { apiGroup: RBAC, kind: "Role", name: SECRETS_ROLE },
        subjects: [{ kind: "ServiceAccount", name: NAME, namespace }],
      },
    ];
  });
}

function daemonRights({ namespace, role, roleBinding }: RbacOptions): object[] {
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: NAME, namespace } };
  const subjects = [{ kind: "ServiceAccount", name: NAME, namespace }];
  if (!role && !roleBinding)
    return [
      account,
      clusterRole(CLUSTER_ROLE, [...RULES, ...NODE_RULES]),
      clusterBinding(CLUSTER_BINDING, CLUSTER_ROLE, subjects),
    ];
  return [
    account,
    role
      ? { apiVersion: `${RBAC}/v1`, kind: "Role", metadata: { name: NAME, namespace }, rules: RULES }
      : clusterRole(CLUSTER_ROLE, RULES),
    {
      apiVersion: `${RBAC}/v1`,
      kind: "RoleBinding",
      metadata: { name: NAME, namespace },
      roleRef: { apiGroup: RBAC, kind: role ? "Role" : "ClusterRole", name: role ? NAME : CLUSTER_ROLE },
      subjects,
    },
    clusterRole(NODES_ROLE, NODE_RULES),
    clusterBinding(NODES_ROLE, NODES_ROLE, subjects),
  ];
}

const clusterRole = (name: string, rules: readonly Rule[]): object => ({
  apiVersion: `${RBAC}/v1`,
  kind: "ClusterRole",
  metadata: { name },
  rules,
});

const clusterBinding = (name: string, role: string, subjects: readonly object[]): object => ({
  apiVersion: `${RBAC}/v1`,
  kind: "ClusterRoleBinding",
  metadata: { name },
  roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: role },
  subjects,
});
