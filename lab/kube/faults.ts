/** What the lab can do to the embedded API server. */
export interface FailRule {
  /** How many matching requests fail; each counts once. */
  readonly count: number;
  /** HTTP status of the answer; 0 cuts the connection instead. */
  readonly status: number;
  readonly retryAfterSeconds?: number;
  /** Only this method. */
  readonly method?: string;
  /** Only requests whose path with its query contains this text. */
  readonly path?: string;
}

/** The body of a POST to the fault path; each member present is carried out. */
export interface FaultCommand {
  readonly fail?: FailRule;
  readonly dropWatches?: boolean;
  readonly compact?: boolean;
  /** true: take requests and answer none, until false. */
  readonly hang?: boolean;
  /** Added to every answer. */
  readonly latencyMillis?: number;
}

/** Which requests fail, wait or hang. */
export class Faults {
  #rules: { rule: FailRule; left: number }[] = [];
  #gate: { readonly opened: Promise<void>; readonly open: () => void } | null = null;
  latencyMillis = 0;

  failNext(rule: FailRule): void {
    this.#rules.push({ rule, left: rule.count });
  }

  get isHung(): boolean {
    return this.#gate !== null;
  }

  hang(on: boolean): void {
    if (on === this.isHung) return;
    if (on) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#gate = { opened: promise, open: resolve };
    } else {
      this.#gate?.open();
      this.#gate = null;
    }
  }

  /** Resolves once the request may be handled; with the rule that it falls under, if any. */
  async admit(method: string, url: string): Promise<FailRule | null> {
    if (this.latencyMillis > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMillis));
    await this.#gate?.opened;
    const hit = this.#rules.find(({ rule }) => (rule.method ?? method) === method && url.includes(rule.path ?? ""));
    if (!hit) return null;
    if (--hit.left <= 0) this.#rules = this.#rules.filter((rule) => rule !== hit);
    return hit.rule;
  }
}
