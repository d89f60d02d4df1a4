import type { MessagePort } from "node:worker_threads";
import type { BfdCounters, BfdNotice, BfdSessionConfig, BfdSessionStatus } from "../bfd/session/session-config.ts";

/** What a worker is started with. The bundle is one file: this is how it knows that it runs as the BFD thread. */
export interface BfdWorkerData {
  readonly vipcastWorker: "bfd";
  readonly port: MessagePort;
  /** Descriptor of the signal that says that there is a message on the port. */
  readonly wakeFd: number;
}

export type ToBfdWorker =
  | { readonly type: "set-sessions"; readonly sessions: readonly BfdSessionConfig[] }
  /** End every session with AdminDown, then the thread. */
  | { readonly type: "close" };

export type FromBfdWorker =
  /** `reason` says why the thread has no precedence; null: it has. */
  | { readonly type: "started"; readonly notRealTime: string | null }
  | { readonly type: "notice"; readonly notice: BfdNotice; readonly snapshot: BfdSnapshot }
  | { readonly type: "snapshot"; readonly snapshot: BfdSnapshot };

export interface BfdSnapshot {
  readonly sessions: readonly BfdSessionStatus[];
  readonly counters: BfdCounters;
}
