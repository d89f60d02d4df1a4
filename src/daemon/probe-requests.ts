import { readFileSync } from "node:fs";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { rootCertificates } from "node:tls";
import { Instant } from "../base/time.ts";
import type { HealthCheckSettings } from "../config/settings.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Clock } from "../ports/clock.ts";

/** Asks with the daemon's own credentials, and trusts whom it trusts. */
export function askAsClient(
  client: KubeClient,
  { url, timeoutMillis }: Pick<HealthCheckSettings, "url" | "timeoutMillis">,
): () => Promise<string | null> {
  const { pathname } = new URL(url);
  return async () => {
    try {
      const { status } = await client.request({ method: "GET", path: pathname, timeoutMillis });
      return status === 200 ? null : `answers ${status}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
}

/** Asks a URL of the operator's choice, without credentials; system roots plus the given CA, as kube-vip does. */
export function askUrl(
  { url, timeoutMillis, caFile }: HealthCheckSettings,
  clock: Clock,
): () => Promise<string | null> {
  const https = url.startsWith("https:");
  const agent = https
    ? new HttpsAgent({ keepAlive: true, maxSockets: 1 })
    : new HttpAgent({ keepAlive: true, maxSockets: 1 });
  return () =>
    new Promise((resolve) => {
      const deadline = clock.alarm(() => asked.destroy(new Error(`no answer within ${timeoutMillis} ms`)));
      const finish = (failure: string | null): void => {
        deadline.close();
        resolve(failure);
      };
      let ca: string[] | undefined;
      try {
        // Read each time: the file is rotated under a running daemon.
        if (caFile !== null) ca = [...rootCertificates, readFileSync(caFile, "utf8")];
      } catch (error) {
        resolve(error instanceof Error ? error.message : String(error));
        return;
      }
      const asked = https ? httpsRequest(url, { agent, ...(ca ? { ca } : {}) }) : httpRequest(url, { agent });
      deadline.set(Instant.add(clock.now(), timeoutMillis));
      asked.on("response", (response) => {
        response.on("end", () => finish(response.statusCode === 200 ? null : `answers ${response.statusCode}`));
        response.on("error", (error) => finish(error.message));
        response.resume();
      });
      asked.on("error", (error) => finish(error.message));
      asked.end();
    });
}
