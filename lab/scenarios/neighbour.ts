import type { Lab } from "../lab.ts";
import { command } from "../rack/command.ts";

/** Host whose MAC the client has for the address. */
export async function clientsNeighbour({ rack }: Lab, address: string): Promise<string> {
  const family = address.includes(":") ? "-6" : "-4";
  const json = await command(["ip", "-n", rack.namespaces.name("client"), "-j", family, "neigh", "show", address]);
  const [entry] = JSON.parse(json.trim() === "" ? "[]" : json) as { lladdr?: string }[];
  return rack.namespaces.owners.get(entry?.lladdr ?? "") ?? "nobody";
}
