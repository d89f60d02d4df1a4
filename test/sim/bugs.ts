import { Instant } from "../../src/base/time.ts";
import type { Settings } from "../../src/config/settings.ts";
import type { Election } from "../../src/daemon/elections.ts";
import type { KubeClient, WatchHandler } from "../../src/kube/client.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { type AddressToAdd, type KernelNetwork, NetlinkRefused } from "../../src/ports/network.ts";
import type { MembersFact } from "../../src/vip/snapshot.ts";

/**
 * A daemon with one thing wrong, by what stands around its parts: shows that the simulation would find it. The parts
 * themselves are the product's.
 */
export interface Bug {
  readonly name: string;
  /** For `--help`. */
  readonly what: string;
  /** Modes in which it can do harm; all when left out. */
  readonly modes?: readonly string[];
  readonly settings?: (settings: Settings) => Settings;
  readonly client?: (client: KubeClient) => KubeClient;
  readonly election?: (election: Election, parts: { readonly clock: Clock; readonly replan: () => void }) => Election;
  readonly membership?: (membership: { readonly fact: MembersFact | null }) => { readonly fact: MembersFact | null };
  readonly network?: (network: KernelNetwork, replanSoon: () => void) => KernelNetwork;
}

const ELECTED = ["bgp-elected", "bgp-per-service", "arp", "arp-per-service"];

export const BUGS: readonly Bug[] = [
  {
    name: "holder-acts-long",
    what: "a holder acts until one second after others may take its Lease",
    modes: ELECTED,
    election: actsLong,
  },
  {
    name: "deadline-late",
    what: "a holder steps down one second after its renew deadline, which is still before others may begin",
    modes: ELECTED,
    settings: (settings) => ({
      ...settings,
      election: { ...settings.election, renewDeadlineSeconds: settings.election.renewDeadlineSeconds + 1 },
    }),
  },
  {
    name: "no-lifetimes",
    what: "elected addresses stay in the kernel of a daemon that stands still",
    modes: ["arp", "arp-per-service"],
    settings: (settings) => ({ ...settings, election: { ...settings.election, addressLifetimes: false } }),
  },
  {
    name: "lost-delete",
    what: "the cache does not hear that an object was deleted",
    client: (client) => onEvents(client, (event, on) => event.type !== "DELETED" && on.event(event)),
  },
  {
    name: "unguarded-write",
    what: "a Lease is taken whatever has become of it since it was read",
    modes: ELECTED,
    client: unguarded,
  },
  {
    name: "no-release",
    what: "a Lease that is given back is not written",
    modes: ELECTED,
    client: (client) => ({
      ...client,
      async request(request) {
        const { spec } = (request.body ?? {}) as { spec?: { holderIdentity?: string } };
        const isRelease = request.path.includes("/leases/") && spec?.holderIdentity === "";
        return isRelease ? { status: 500, body: {}, retryAfterMillis: null } : client.request(request);
      },
    }),
  },
  {
    name: "leftover",
    what: "an address that is not wanted any more stays in the kernel",
    network: (network) => ({ ...network, removeAddress: () => {} }),
  },
  {
    name: "spread-without-doubt",
    what: "a member acts on what it sees although its watch may hang",
    modes: ["arp-spread", "bgp-spread"],
    membership: (membership) => ({
      get fact() {
        return membership.fact && { ...membership.fact, doubt: null };
      },
    }),
  },
  {
    name: "busy-retry",
    what: "a request that the kernel refuses is made again at once",
    network: (network, replanSoon) => {
      const retrying = <A extends unknown[]>(call: (...args: A) => void) => {
        return (...args: A): void => {
          try {
            call(...args);
          } catch (error) {
            if (error instanceof NetlinkRefused) replanSoon();
            throw error;
          }
        };
      };
      return {
        ...network,
        addAddress: retrying((wanted: AddressToAdd) => network.addAddress(wanted)),
        extendAddress: retrying((wanted: AddressToAdd) => network.extendAddress(wanted)),
      };
    },
  },
];

function actsLong(election: Election, { clock, replan }: { clock: Clock; replan: () => void }): Election {
  let until: Instant | null = null;
  const alarm = clock.alarm(replan);
  const isLong = (): boolean => {
    const { heldUntil } = election;
    if (election.fact.isHolder && heldUntil) until = Instant.add(heldUntil, 1_000);
    else alarm.set(until);
    return until !== null && clock.now() < until;
  };
  return {
    get fact() {
      return isLong() ? { ...election.fact, isHolder: true } : election.fact;
    },
    get heldUntil() {
      return isLong() ? until : null;
    },
    setCandidate(stands) {
      if (!stands) until = null;
      election.setCandidate(stands);
    },
    stop() {
      until = null;
      return election.stop();
    },
  };
}

function onEvents(
  client: KubeClient,
  forward: (event: Parameters<WatchHandler["event"]>[0], on: WatchHandler) => void,
): KubeClient {
  return {
    server: client.server,
    request: (request) => client.request(request),
    watch: (path, query, on) =>
      client.watch(path, query, {
        open: () => on.open?.(),
        event: (event) => forward(event, on),
        end: (end) => on.end(end),
      }),
  };
}

/** Reads the Lease once more before each write, and writes over whatever it finds. */
function unguarded(client: KubeClient): KubeClient {
  return {
    ...client,
    async request(request) {
      if (request.method !== "PUT" || !request.path.includes("/leases/")) return client.request(request);
      const { status, body } = await client.request({ method: "GET", path: request.path });
      const wished = request.body as { metadata: object };
      const { metadata } = (status === 200 ? body : wished) as { metadata: { resourceVersion?: string } };
      const renewed = { ...wished, metadata: { ...wished.metadata, resourceVersion: metadata.resourceVersion } };
      return client.request({ ...request, body: renewed });
    },
  };
}
