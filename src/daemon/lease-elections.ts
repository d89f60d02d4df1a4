import type { Logger } from "pino";
import { Instant } from "../base/time.ts";
import type { ControlPlaneSettings, ElectionSettings, ServicesSettings } from "../config/settings.ts";
import { ListWatch } from "../kube/cache.ts";
import type { KubeClient } from "../kube/client.ts";
import { Elector } from "../kube/election/elector.ts";
import { MEMBER_LABELS, MEMBER_SELECTOR, memberAnnotations, memberLeaseOf } from "../kube/election/members.ts";
import type { Clock, Entropy } from "../ports/clock.ts";
import type { LeasePlan } from "../vip/plan.ts";
import type { Policy } from "../vip/snapshot.ts";
import type { Election } from "./elections.ts";
import { Membership } from "./membership.ts";

export interface LeaseElectionsParts {
  /** With connections of its own: renewals wait for no list, and no list can use up what they may ask for. */
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  readonly policy: Policy;
  readonly settings: {
    readonly election: ElectionSettings;
    readonly controlPlane: Pick<ControlPlaneSettings, "leaseAnnotations"> | null;
    readonly services: Pick<ServicesSettings, "spreadWeight"> | null;
  };
  /** What changed must have been acted upon when this returns. */
  readonly replan: () => void;
  /** The Lease of who gives addresses from pools changed. */
  readonly onPools: () => void;
}

const leasesIn = (namespace: string): string =>
  `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;

/** Elections by Leases, and the members that Services are spread over. */
export class LeaseElections {
  /** Null unless Services are spread over members. */
  readonly membership: Membership | null;
  readonly #parts: LeaseElectionsParts;
  #members: { stop(): void } | null = null;

  constructor(parts: LeaseElectionsParts) {
    this.#parts = parts;
    this.membership = this.#createMembership();
  }

  start(plan: LeasePlan): Election {
    const { client, clock, entropy, log, policy, settings, replan } = this.#parts;
    const { leaseDurationSeconds, renewDeadlineSeconds, retryPeriodSeconds } = settings.election;
    const isMember = plan.purpose === "member";
    const annotations = isMember
      ? memberAnnotations(settings.services?.spreadWeight ?? 1)
      : plan.purpose === "control-plane"
        ? (settings.controlPlane?.leaseAnnotations ?? {})
        : {};
    const elector = new Elector(
      { client, clock, entropy, log },
      {
        lease: plan.lease,
        identity: policy.node,
        leaseDurationSeconds,
        renewDeadlineSeconds,
        retryPeriodSeconds,
        annotations,
        ...(isMember ? { labels: MEMBER_LABELS } : {}),
        // Many Leases of Services would need as many connections, and nobody else wants the Lease of a member.
        observe: plan.purpose === "service" || isMember ? "poll" : "watch",
        beforeRelease: replan,
        ...(isMember ? { onRenewed: (revision, sentAt) => this.membership?.renewed(revision, sentAt) } : {}),
      },
    );
    // Not folded with others: when the Lease is lost, the VIP must be gone when this returns.
    elector.onChange(replan);
    if (plan.purpose === "pools") elector.onChange(this.#parts.onPools);
    if (isMember) this.membership?.follow(() => elector.view);
    return {
      get fact() {
        return elector.view;
      },
      get heldUntil() {
        const { isHolder, renewedAt } = elector.view;
        return isHolder && renewedAt !== null ? Instant.add(renewedAt, leaseDurationSeconds * 1000) : null;
      },
      setCandidate: (stands) => elector.setCandidate(stands),
      stop: () => elector.stop(),
    };
  }

  close(): void {
    this.membership?.close();
    this.#members?.stop();
  }

  #createMembership(): Membership | null {
    const { client, clock, entropy, log, policy, settings, replan } = this.#parts;
    const { services } = policy;
    if (services?.election !== "spread") return null;
    const { leaseDurationSeconds, renewDeadlineSeconds, retryPeriodSeconds } = settings.election;
    const watch = new ListWatch(
      { client, clock, entropy, log },
      {
        path: leasesIn(services.lease.namespace),
        query: { labelSelector: MEMBER_SELECTOR },
        // This node's own renewals are among the events.
        stallMillis: renewDeadlineSeconds * 1000,
        reduce: memberLeaseOf,
      },
    );
    this.#members = watch;
    return new Membership({
      ...{ node: policy.node, clock, watch },
      leaseDurationMillis: leaseDurationSeconds * 1000,
      renewDeadlineMillis: renewDeadlineSeconds * 1000,
      retryPeriodMillis: retryPeriodSeconds * 1000,
      // Not folded with others: what another member has now must be gone here when this returns.
      onChange: replan,
    });
  }
}
