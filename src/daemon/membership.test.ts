import { describe, expect, it } from "vitest";
import { VirtualTime } from "../../test/support/virtual-time.ts";
import type { Instant } from "../base/time.ts";
import type { MemberLease } from "../kube/election/members.ts";
import { Membership } from "./membership.ts";

/** Members that renew every two seconds as long as they live, and the fact that one of them keeps. */
function rack(...names: string[]) {
  const time = new VirtualTime();
  const facts = new Map<string, MemberLease>();
  const listeners: (() => void)[] = [];
  const told: string[] = [];
  const alive = new Set(names);
  let synced = true;
  let deaf = false;
  let since: Instant | null = null;
  let revision = 0;
  const watch = { facts, listeners, onChange: (listener: () => void) => void listeners.push(listener) };
  const membership: Membership = new Membership({
    ...{ node: "me", clock: time, leaseDurationMillis: 15_000, renewDeadlineMillis: 10_000, retryPeriodMillis: 2_000 },
    watch: {
      ...watch,
      get synced() {
        return synced;
      },
    },
    onChange: () => {
      const { live = [], doubt = null } = membership.fact ?? {};
      told.push(`${time.now()}: ${live.map(({ node }) => node).join(" ")}${doubt === null ? "" : " (in doubt)"}`);
    },
  });
  membership.follow(() => ({ isHolder: since !== null, since }));
  const renew = (): void => {
    for (const node of alive) {
      const record = { holder: node, durationSeconds: 15, acquireTime: "", renewTime: `${++revision}`, transitions: 0 };
      if (!deaf) facts.set(`kube-system/vipcast-member-${node}`, { node, weight: 1, revision, record });
      if (node === "me") {
        since ??= time.now();
        membership.renewed(String(revision), time.now());
      }
    }
    if (!deaf) for (const listener of listeners) listener();
  };
  return {
    time,
    membership,
    told: () => told.splice(0),
    die: (name: string) => alive.delete(name),
    deafen: () => (deaf = true),
    unsync: () => (synced = false),
    pass: (millis: number): void => {
      for (let left = millis; left > 0; left -= 2_000) {
        renew();
        time.advance(2_000);
      }
    },
  };
}

describe("the fact about the members", () => {
  it("is there once the first list is, and tells of who comes, not of renewals", () => {
    const { membership, pass, told } = rack("me", "n2");
    pass(60_000);
    expect(told()).toEqual(["0:  (in doubt)", "0: me n2 (in doubt)", "2000: me n2"]);
    expect(membership.fact).toMatchObject({ doubt: null, live: [{ node: "me" }, { node: "n2" }] });
  });

  it("tells by itself when a member has been silent for its Lease's duration", () => {
    const { pass, told, die } = rack("me", "n2");
    pass(10_000);
    told();
    die("n2");
    pass(20_000);
    // Its last renewal was at 8 s.
    expect(told()).toEqual(["23000: me"]);
  });

  it("comes into doubt before a deaf node could take the others for dead", () => {
    const { pass, told, deafen } = rack("me", "n2");
    pass(10_000);
    told();
    deafen();
    pass(30_000);
    expect(told()[0]).toBe("18000: me n2 (in doubt)");
  });

  it("is unknown before the first list", () => {
    const { membership, unsync } = rack("me");
    unsync();
    expect(membership.fact).toBe(null);
  });
});
