import { readFileSync } from "node:fs";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { rootCertificates } from "node:tls";
import { Instant } from "../base/time.ts";
import type { HealthCheckSettings } from "../config/settings.ts";
import type { Alarm, Clock } from "../ports/clock.ts";
import type { ProbeFact } from "../vip/snapshot.ts";

/** How the probe of the local API server proves who it is, and knows whom it talks to. */
export interface ProbeCredentials {
  /** PEM of the cluster's CA; null when the kubeconfig has none. */
  readonly ca: string | null;
  /** Headers and client certificate of the daemon's own access. */
  authorization(): Promise<{
    readonly headers: Readonly<Record<string, string>>;
    readonly cert?: string;
    readonly key?: string;
  }>;
}

/** kubeadm, k3s and all others name it in the API server's certificate; 127.0.0.1 is named by some only. */
const API_SERVER_NAME = "kubernetes.default.svc";

/**
 * Asks the API server of this node again and again whether it is ready. One success makes it ready, `failureThreshold`
 * failures in a row make it failed; until the first of both it is pending.
 */
export class Probe {
  readonly #settings: HealthCheckSettings;
  readonly #credentials: ProbeCredentials;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #onChange: () => void;
  readonly #agent: HttpAgent | HttpsAgent;
  #fact: ProbeFact;
  #failures = 0;
  #closed = false;

  constructor(settings: HealthCheckSettings, credentials: ProbeCredentials, clock: Clock, onChange: () => void) {
    this.#settings = settings;
    this.#credentials = credentials;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#fact = { state: "pending", detail: `no answer yet from ${settings.url}` };
    const keep = { keepAlive: true, maxSockets: 1 };
    this.#agent = settings.url.startsWith("https:") ? new HttpsAgent(keep) : new HttpAgent(keep);
    this.#alarm = clock.alarm(() => void this.#round());
  }

  get fact(): ProbeFact {
    return this.#fact;
  }

  start(): void {
    this.#alarm.set(this.#clock.now());
  }

  close(): void {
    this.#closed = true;
    this.#alarm.close();
    this.#agent.destroy();
  }

  async #round(): Promise<void> {
    const next = Instant.add(this.#clock.now(), this.#settings.periodMillis);
    const failure = await this.#ask().catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    if (this.#closed) return;
    this.#judge(failure);
    this.#alarm.set(next);
  }

  #judge(failure: string | null): void {
    const { url, failureThreshold } = this.#settings;
    const before = this.#fact;
    if (failure === null) {
      this.#failures = 0;
      this.#fact = { state: "ready", detail: `${url} answers 200` };
    } else {
      this.#failures += 1;
      if (this.#failures >= failureThreshold) {
        this.#fact = { state: "failed", detail: `${url}: ${failure} (${failureThreshold} times in a row)` };
      } else if (before.state === "pending") this.#fact = { state: "pending", detail: `${url}: ${failure}` };
    }
    if (this.#fact.state !== before.state || this.#fact.detail !== before.detail) this.#onChange();
  }

  /** Null when healthy, else what went wrong in words. The deadline covers connecting, TLS and the answer. */
  async #ask(): Promise<string | null> {
    const { url, kind, timeoutMillis, caFile } = this.#settings;
    const own = kind === "local" ? await this.#credentials.authorization() : { headers: {} };
    const ca = kind === "local" ? this.#credentials.ca : caFile === null ? null : readFileSync(caFile, "utf8");
    return new Promise((resolve) => {
      const options = {
        agent: this.#agent,
        headers: own.headers,
        ...("cert" in own && own.cert ? { cert: own.cert, key: own.key } : {}),
        ...(ca === null ? {} : { ca: kind === "local" ? ca : [...rootCertificates, ca] }),
        ...(kind === "local" ? { servername: API_SERVER_NAME } : {}),
      };
      const asked = url.startsWith("https:") ? httpsRequest(url, options) : httpRequest(url, options);
      const deadline = this.#clock.alarm(() => asked.destroy(new Error(`no answer within ${timeoutMillis} ms`)));
      const finish = (failure: string | null): void => {
        deadline.close();
        resolve(failure);
      };
      deadline.set(Instant.add(this.#clock.now(), timeoutMillis));
      asked.on("response", (response) => {
        response.on("end", () => finish(response.statusCode === 200 ? null : `answers ${response.statusCode}`));
        response.on("error", (error) => finish(error.message));
        response.resume();
      });
      asked.on("error", (error: NodeJS.ErrnoException) =>
        finish(error.code === "ECONNREFUSED" ? "connection refused" : error.message),
      );
      asked.end();
    });
  }
}
