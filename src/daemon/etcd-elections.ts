import type { Logger } from "pino";
import type { ElectionSettings, EtcdSettings } from "../config/settings.ts";
import { EtcdElector } from "../etcd/elector.ts";
import { connectEtcd } from "../etcd/gateway.ts";
import type { Clock, Entropy } from "../ports/clock.ts";
import type { LeasePlan } from "../vip/plan.ts";
import type { Election } from "./elections.ts";

interface Parts {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  readonly identity: string;
  readonly replan: () => void;
}

/** Starts elections in etcd, all over one gateway. */
export function etcdElections(
  access: EtcdSettings,
  times: ElectionSettings,
  { clock, entropy, log, identity, replan }: Parts,
): (plan: LeasePlan) => Election {
  const gateway = connectEtcd(access, clock);
  return ({ lease }) => {
    const elector = new EtcdElector(
      { gateway, clock, entropy, log },
      { lease, identity, ...times, beforeRelease: replan },
    );
    // Not folded with others: when the election is lost, the VIP must be gone when this returns.
    elector.onChange(replan);
    return {
      get fact() {
        return elector.view;
      },
      get heldUntil() {
        return elector.view.heldUntil;
      },
      setCandidate: (stands) => elector.setCandidate(stands),
      stop: () => elector.stop(),
    };
  };
}
