/** Runs tasks to completion: what happens while one is performed waits its turn, it never nests. */
export class RunToCompletion {
  readonly #afterEach: () => void;
  readonly #afterAll: () => void;
  readonly #inbox: (() => void)[] = [];
  #isRunning = false;

  /** @param afterAll  called when nothing is left to do; what it calls back may run */
  constructor(afterEach: () => void, afterAll: () => void) {
    this.#afterEach = afterEach;
    this.#afterAll = afterAll;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  run(task: () => void): void {
    this.#inbox.push(task);
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let next = this.#inbox.shift(); next; next = this.#inbox.shift()) {
      next();
      this.#afterEach();
    }
    this.#isRunning = false;
    this.#afterAll();
  }
}
