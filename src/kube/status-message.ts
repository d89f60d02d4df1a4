import type { KubeResponse } from "./client.ts";

/** What the API server says about a request that it did not carry out, in one line. */
export function messageOf({ status, body }: KubeResponse): string {
  const message = typeof body === "object" && body !== null && "message" in body ? body.message : null;
  return typeof message === "string" && message !== "" ? `${status}: ${message}` : `status ${status}`;
}
