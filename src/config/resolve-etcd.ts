import type { Report } from "./resolve-session.ts";
import type { Config } from "./schema.ts";
import type { EtcdSettings } from "./settings.ts";

/** Null with elections by Leases. Files and endpoints that nothing would use are a mistake, not a choice. */
export function resolveEtcd({ election, etcd, services }: Config, complain: Report): EtcdSettings | null {
  const { endpoints, caFile = null, certFile = null, keyFile = null } = etcd;
  if (election.type !== "etcd") {
    if (endpoints.length > 0)
      complain(
        ["etcd", "endpoints"],
        "elections are by Leases, so etcd is not asked",
        "set leaderElectionType to etcd",
      );
    return null;
  }
  if (endpoints.length === 0)
    complain(["etcd", "endpoints"], "elections are in etcd, and no endpoint is given", "set etcdEndpoints");
  if ((certFile === null) !== (keyFile === null))
    complain(["etcd"], "a client certificate and its key go together", "set both etcdCert and etcdKey, or neither");
  if (services.enabled)
    complain(
      ["election", "type"],
      "elections in etcd are for the control plane only, as in kube-vip",
      "serve Services by a second vipcast with elections by Leases",
    );
  return { endpoints: endpoints.map((url) => url.replace(/\/$/, "")), caFile, certFile, keyFile };
}
