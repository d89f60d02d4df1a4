import type { Feature } from "./features/feature.ts";
import type { Cell } from "./matrix.ts";
import type { RouterKind } from "./router.ts";

/** A router with the version that the run found. */
export interface Column {
  readonly kind: RouterKind;
  readonly version: string;
}

const HEAD = `# Interoperability

What vipcast's BGP does with the routers of Debian 12, each in a network namespace of its own, over sessions on IPv4 and
on IPv6. This page is written by the run itself and compared with it by \`npm test\`: what stands here has just been seen.

\`\`\`sh
npm run -s interop                                  # all of it, three minutes
npm run -s interop -- --router bird md5 bfd         # one router, two features
npm run -s interop -- --json cells.json             # for programs
UPDATE=1 npm run -s interop                         # writes this page
\`\`\`
`;

/** docs/interop.md, of the cells of a whole run. */
export function interopPage(columns: readonly Column[], features: readonly Feature[], cells: readonly Cell[]): string {
  const notes: string[] = [];
  const noteOf = (text: string): number => {
    if (!notes.includes(text)) notes.push(text);
    return notes.indexOf(text) + 1;
  };
  const cellText = (feature: Feature, { kind }: Column): string => {
    const both = cells.filter((cell) => cell.feature === feature.name && cell.router === kind.name);
    const texts = both.map(({ outcome, reason, transport }) => {
      const where = feature.transports === undefined ? "" : ` (${transport})`;
      if (outcome === "pass") return `pass${where}${reason === "" ? "" : ` [${noteOf(`${kind.title}: ${reason}`)}]`}`;
      return outcome === "fail" ? `**FAIL**${where}` : `not there [${noteOf(`${kind.title}: ${reason}`)}]`;
    });
    const [first = "not run"] = texts;
    return texts.every((text) => text === first)
      ? first
      : both.map((_, at) => `${both[at]!.transport}: ${texts[at]}`).join(", ");
  };
  const rows = features.map((feature) => [feature.title, ...columns.map((column) => cellText(feature, column))]);
  const heads = ["", ...columns.map(({ kind, version }) => `${kind.title} ${version}`)];
  return [
    HEAD,
    ...table([heads, ...rows]),
    "",
    "A cell is a pass when the feature works over both transports, unless it names one.",
    "",
    ...notes.map((note, index) => `${index + 1}. ${note}`),
    "",
    "## What has to hold",
    "",
    ...table([
      ["feature", "name", "what is demanded"],
      ...features.map(({ title, name, what }) => [title, `\`${name}\``, what]),
    ]),
    "",
  ].join("\n");
}

/** The first row is the head; columns are as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]!.map((_, at) => Math.max(3, ...rows.map((row) => row[at]!.length)));
  const line = (row: readonly string[]): string => `| ${row.map((text, at) => text.padEnd(widths[at]!)).join(" | ")} |`;
  const [head = [], ...rest] = rows;
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rest.map(line)];
}
