/** Where a value came from. */
export type Origin =
  | { readonly source: "default" }
  | { readonly source: "file"; readonly name: string }
  | { readonly source: "environment"; readonly name: string }
  | { readonly source: "flag"; readonly name: string };

/** "vip_arp (environment)", "--arp (flag)", "vipcast.yaml:3:9 (file)", "default". */
export const originText = (origin: Origin): string =>
  origin.source === "default" ? "default" : `${origin.name} (${origin.source})`;

/** Something that stops the start. Reads: where, what is wrong, what to do. */
export interface ConfigProblem {
  /** Flag, environment name, or file:line:column with the key. */
  readonly where: string;
  readonly what: string;
  /** What to do about it; empty where `what` says it. */
  readonly hint: string;
}

export const problemText = ({ where, what, hint }: ConfigProblem): string =>
  `${where}: ${what}${hint === "" ? "" : ` (${hint})`}`;

/** Something that the daemon starts in spite of. */
export interface ConfigWarning {
  /** Flag or environment name, or key of the file. */
  readonly name: string;
  readonly message: string;
}
