import type { Logger } from "pino";
import { type BackoffPolicy, backoffMillis } from "../base/backoff.ts";
import { Instant } from "../base/time.ts";
import type { Alarm, Clock, Entropy } from "../ports/clock.ts";
import { emit } from "../telemetry/events.ts";
import type { ServiceKey } from "../vip/facts.ts";
import { type IngressFact } from "../vip/facts.ts";
import { ingressOf, sameIngress } from "../vip/ingress.ts";
import type { StatusPlan } from "../vip/plan.ts";

const RETRY: BackoffPolicy = { firstMillis: 500, maxMillis: 30_000, factor: 2, jitter: 0.5 };

/** What has to be written to the API server; rejects when it did not take it. */
export interface StatusApi {
  writeIngress(namespace: string, name: string, ingress: readonly IngressFact[]): Promise<void>;
  writeVipHost(namespace: string, name: string, node: string): Promise<void>;
}

/**
 * Writes Service status and annotations, one Service at a time, only where they differ from what the watch last said.
 * A refused write is tried again later and costs the others nothing.
 */
export class StatusWriter {
  readonly #api: StatusApi;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #log: Logger;
  readonly #alarm: Alarm;
  #wanted = new Map<ServiceKey, StatusPlan>();
  /** What was written last, so that a watch that lags behind does not make us write again. */
  readonly #written = new Map<ServiceKey, string>();
  readonly #failed = new Map<ServiceKey, { attempts: number; retryAt: Instant }>();
  #running = false;
  #closed = false;

  constructor(deps: { api: StatusApi; clock: Clock; entropy: Entropy; log: Logger }) {
    this.#api = deps.api;
    this.#clock = deps.clock;
    this.#entropy = deps.entropy;
    this.#log = deps.log;
    this.#alarm = deps.clock.alarm(() => this.#run());
  }

  want(statuses: readonly StatusPlan[]): void {
    this.#wanted = new Map(statuses.map((status) => [status.service.key, status]));
    for (const key of this.#written.keys()) if (!this.#wanted.has(key)) this.#written.delete(key);
    for (const key of this.#failed.keys()) if (!this.#wanted.has(key)) this.#failed.delete(key);
    this.#run();
  }

  close(): void {
    this.#closed = true;
    this.#alarm.close();
  }

  #run(): void {
    if (this.#running || this.#closed) return;
    this.#running = true;
    void this.#drain().finally(() => {
      this.#running = false;
    });
  }

  async #drain(): Promise<void> {
    for (let next = this.#next(); next !== null && !this.#closed; next = this.#next()) await this.#write(next);
    this.#alarm.set(Instant.earliest(...[...this.#failed.values()].map((it) => it.retryAt)));
  }

  /** The first Service that differs and is not waiting for its retry. */
  #next(): StatusPlan | null {
    const now = this.#clock.now();
    for (const [key, status] of this.#wanted) {
      const failed = this.#failed.get(key);
      if (failed && now < failed.retryAt) continue;
      if (!this.#isRight(status)) return status;
      this.#written.delete(key);
    }
    return null;
  }

  #isRight(status: StatusPlan): boolean {
    if (this.#written.get(status.service.key) === fingerprint(status)) return true;
    const { service } = status;
    return hasIngress(status) && (status.vipHost === null || service.vipHost === status.vipHost);
  }

  async #write(status: StatusPlan): Promise<void> {
    const { service, addresses, ports, vipHost } = status;
    try {
      if (!hasIngress(status))
        await this.#api.writeIngress(service.namespace, service.name, ingressOf(addresses, ports));
      if (vipHost !== null && service.vipHost !== vipHost) {
        await this.#api.writeVipHost(service.namespace, service.name, vipHost);
      }
      this.#written.set(service.key, fingerprint(status));
      this.#failed.delete(service.key);
    } catch (error) {
      const attempts = (this.#failed.get(service.key)?.attempts ?? 0) + 1;
      const delay = backoffMillis(RETRY, attempts - 1, this.#entropy.fraction());
      this.#failed.set(service.key, { attempts, retryAt: Instant.add(this.#clock.now(), delay) });
      const reason = error instanceof Error ? error.message : String(error);
      emit(this.#log, "status.write-failed", { service: service.key, error: reason }, "status not written, will retry");
    }
  }
}

const hasIngress = ({ service, addresses, ports }: StatusPlan): boolean =>
  sameIngress(service, ingressOf(addresses, ports));

/** Names the write by what it changes from and to: a foreign change afterwards makes another fingerprint. */
const fingerprint = ({ service, addresses, ports, vipHost }: StatusPlan): string =>
  JSON.stringify([service.ingress, service.vipHost, addresses, ports, vipHost]);
