import { describe, expect, it } from "vitest";
import { Instant } from "../base/time.ts";
import {
  type EtcdElectionConfig,
  type EtcdElectionEvent,
  type EtcdElectionState,
  initialEtcdElection,
  mayActInEtcd,
  nextEtcdDeadline,
  stepEtcdElection,
} from "./election-fsm.ts";

const CONFIG: EtcdElectionConfig = {
  leaseDurationMillis: 15_000,
  renewDeadlineMillis: 10_000,
  retryPeriodMillis: 2_000,
};

/** One candidate, driven by hand. */
class Candidate {
  now = Instant.of(1_000);
  state: EtcdElectionState = initialEtcdElection(this.now);
  actions: string[] = [];

  on(event: EtcdElectionEvent): this {
    const step = stepEtcdElection(this.state, event, { now: this.now, fraction: 0 }, CONFIG);
    this.state = step.state;
    this.actions = step.actions.map(({ type }) => type);
    return this;
  }

  after(millis: number): this {
    this.now = Instant.add(this.now, millis);
    return this.on({ type: "time-passed" });
  }

  get acts(): boolean {
    return mayActInEtcd(this.state, this.now, CONFIG);
  }

  get deadline(): Instant | null {
    return nextEtcdDeadline(this.state, this.now, CONFIG);
  }
}

const OURS: EtcdElectionEvent = { type: "leader-found", leader: { holder: "n1", isOurs: true } };
const OTHERS: EtcdElectionEvent = { type: "leader-found", leader: { holder: "n2", isOurs: false } };

/** Stands, has entered and found itself the leader; does not act yet. */
function leading(): Candidate {
  const one = new Candidate();
  one.on({ type: "candidacy-changed", stands: true });
  expect(one.actions).toEqual(["grant"]);
  one.on({ type: "granted" });
  expect(one.actions).toEqual(["enter"]);
  one.on({ type: "entered", wasThere: false });
  expect(one.actions).toEqual(["find-leader"]);
  return one.on(OURS);
}

/** A leader that acts. */
function acting(): Candidate {
  const one = leading().after(2_000);
  one.on({ type: "kept-alive", isAlive: true }).on(OURS);
  expect(one.acts).toBe(true);
  return one;
}

describe("an election in etcd", () => {
  it("without candidacy looks who leads, once in a retry period, and asks for no lease", () => {
    const one = new Candidate().after(0);
    expect(one.actions).toEqual(["find-leader"]);
    one.on(OTHERS);
    expect([one.state.leader?.holder, one.deadline]).toEqual(["n2", 3_000]);
    expect(one.after(1_999).actions).toEqual([]);
    expect(one.after(1).actions).toEqual(["find-leader"]);
  });

  it("a new leader acts one retry period after it saw itself first", () => {
    const one = leading();
    expect([one.acts, one.deadline]).toEqual([false, 3_000]);
    one.after(1_999);
    expect(one.acts).toBe(false);
    one.after(1);
    expect([one.acts, one.actions]).toEqual([true, ["keep-alive"]]);
  });

  it("who finds its own key of the process before acts at once", () => {
    const one = new Candidate();
    one.on({ type: "candidacy-changed", stands: true }).on({ type: "lease-exists" });
    expect(one.actions).toEqual(["keep-alive"]);
    one.on({ type: "kept-alive", isAlive: true });
    expect(one.actions).toEqual(["enter"]);
    one.on({ type: "entered", wasThere: true }).on(OURS);
    expect(one.acts).toBe(true);
  });

  it("waits while another's key is older, and leads when that has gone", () => {
    const one = new Candidate();
    one.on({ type: "candidacy-changed", stands: true }).on({ type: "granted" });
    one.on({ type: "entered", wasThere: false }).on(OTHERS);
    expect([one.acts, one.state.actsFrom]).toEqual([false, null]);
    one.after(2_000).on({ type: "kept-alive", isAlive: true });
    expect(one.actions).toEqual(["find-leader"]);
    one.on(OURS);
    expect(one.state.actsFrom).toBe(Instant.add(one.now, 2_000));
  });

  it("stops acting at the renew deadline after the last renewal that succeeded was sent, whatever is under way", () => {
    const one = acting();
    const { renewedAt } = one.state;
    one.after(2_000);
    expect(one.actions).toEqual(["keep-alive"]);
    one.now = Instant.add(renewedAt!, 9_999);
    expect([one.acts, one.deadline]).toEqual([true, Instant.add(renewedAt!, 10_000)]);
    one.now = Instant.add(renewedAt!, 10_000);
    expect([one.acts, one.deadline]).toEqual([false, null]);
  });

  it("acts again when a late renewal says that the lease never ran out", () => {
    const one = acting().after(2_000);
    one.after(11_000).on({ type: "request-failed" });
    expect(one.acts).toBe(false);
    one.after(2_000).on({ type: "kept-alive", isAlive: true }).on(OURS);
    expect(one.acts).toBe(true);
  });

  it("a renewal counts from when it was sent, not from when it was answered", () => {
    const one = acting().after(2_000);
    const sentAt = one.now;
    one.after(3_000).on({ type: "kept-alive", isAlive: true });
    expect(one.state.renewedAt).toBe(sentAt);
  });

  it("a lease that is gone ends acting at once; a new one is asked for, and everything begins anew", () => {
    const one = acting().after(2_000).on({ type: "kept-alive", isAlive: false });
    expect([one.acts, one.actions, one.state.key]).toEqual([false, ["grant"], "none"]);
    one.on({ type: "granted" }).on({ type: "entered", wasThere: false }).on(OURS);
    expect([one.acts, one.state.actsFrom]).toEqual([false, Instant.add(one.now, 2_000)]);
  });

  it("whose key an administrator removed no longer acts", () => {
    const one = acting().after(2_000).on({ type: "kept-alive", isAlive: true }).on(OTHERS);
    expect(one.acts).toBe(false);
  });

  it("gives up before it revokes when it stands no longer, and tries until that succeeds", () => {
    const one = acting().on({ type: "candidacy-changed", stands: false });
    expect([one.acts, one.actions]).toEqual([false, ["give-up", "revoke"]]);
    one.on({ type: "request-failed" });
    expect(one.after(2_000).actions).toEqual(["revoke"]);
    one.on({ type: "revoked" });
    expect(one.after(2_000).actions).toEqual(["find-leader"]);
  });

  it("a stop gives up, revokes and ends; the answer to an earlier request is waited for first", () => {
    const one = acting().after(2_000);
    expect(one.actions).toEqual(["keep-alive"]);
    one.on({ type: "stop-requested" });
    expect(one.actions).toEqual(["give-up"]);
    one.on({ type: "kept-alive", isAlive: true });
    expect(one.actions).toEqual(["revoke"]);
    one.on({ type: "revoked" });
    expect([one.actions, one.deadline]).toEqual([["finish-stop"], null]);
    expect(one.after(60_000).actions).toEqual([]);
  });

  it("a stop ends after one revocation that failed, and at once where there is nothing to revoke", () => {
    const one = acting().on({ type: "stop-requested" });
    expect(one.actions).toEqual(["give-up", "revoke"]);
    expect(one.on({ type: "request-failed" }).actions).toEqual(["finish-stop"]);
    expect(new Candidate().on({ type: "stop-requested" }).actions).toEqual(["finish-stop"]);
  });

  it("a lease that was asked for without an answer is revoked all the same", () => {
    const one = new Candidate().on({ type: "candidacy-changed", stands: true });
    expect(one.on({ type: "stop-requested" }).actions).toEqual([]);
    expect(one.on({ type: "request-failed" }).actions).toEqual(["revoke"]);
  });

  it("has one request under way, whatever happens meanwhile", () => {
    const one = new Candidate().on({ type: "candidacy-changed", stands: true });
    expect(one.after(5_000).actions).toEqual([]);
    expect(one.on({ type: "candidacy-changed", stands: false }).actions).toEqual([]);
    expect(one.on({ type: "granted" }).actions).toEqual(["revoke"]);
  });
});
