/**
 * Looks at nftables without `nft`, in the namespace that it is started in.
 *
 * Usage: node tables-main.ts add NAME, or node tables-main.ts list NAME… (prints those of them that are there).
 */
import { Nftables } from "../../src/linux/io/nftables.ts";

const [action, ...names] = process.argv.slice(2);
const nftables = new Nftables();
if (action === "add") {
  nftables.apply(
    "foreign table",
    "inet",
    names.map((table) => ({ do: "add-table", table })),
  );
}
process.stdout.write(`${names.filter((name) => nftables.hasTable("inet", name)).join(" ")}\n`);
nftables.close();
