import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { EmbeddedApiServer } from "./embedded.ts";

/** The embedded API server as a process of its own. Says one line once it listens, then nothing. */
const { values } = parseArgs({
  options: {
    listen: { type: "string" },
    "tls-cert": { type: "string" },
    "tls-key": { type: "string" },
    token: { type: "string", multiple: true },
  },
});
const match = /^\[?([^\]]+)\]?:(\d+)$/.exec(values.listen ?? "");
if (!match || !values["tls-cert"] || !values["tls-key"] || !values.token?.length) {
  console.error("usage: embedded-main.ts --listen ADDRESS:PORT --tls-cert FILE --tls-key FILE --token TOKEN…");
  process.exit(2);
}
const server = await EmbeddedApiServer.start({
  address: match[1]!,
  port: Number(match[2]),
  certificate: readFileSync(values["tls-cert"], "utf8"),
  key: readFileSync(values["tls-key"], "utf8"),
  tokens: values.token,
});
console.log(`ready ${server.url}`);
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(0));
