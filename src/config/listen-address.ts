import { parseIp } from "../addr/ip.ts";
import type { Report } from "./resolve-session.ts";
import type { ListenAddress } from "./settings.ts";

/** `:port`, `address:port` or `[IPv6]:port`. */
export function parseListen(text: string, path: readonly PropertyKey[], complain: Report): ListenAddress | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? 0);
  const host = match?.[1] ?? match?.[2] ?? "";
  const address = host === "" || host === "*" ? null : parseIp(host);
  if (match === null || port < 1 || port > 65_535 || (host !== "" && host !== "*" && address === null)) {
    complain(path, `must be address:port, :port or [IPv6]:port, not "${text}"`);
    return null;
  }
  return { address: address === "0.0.0.0" || address === "::" ? null : address, port };
}
