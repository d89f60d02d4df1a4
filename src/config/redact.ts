import type { Settings } from "./settings.ts";

export const REDACTED = "(redacted)";

/** The settings without secrets, for logs and status: passwords of peers, and credentials inside URLs. */
export function redact(settings: Settings): Settings {
  const { bgp, controlPlane } = settings;
  const healthCheck = controlPlane?.healthCheck ?? null;
  return {
    ...settings,
    bgp:
      bgp === null
        ? null
        : {
            ...bgp,
            peers: bgp.peers.map((peer) => ({ ...peer, password: peer.password === null ? null : REDACTED })),
          },
    controlPlane:
      controlPlane === null || healthCheck === null
        ? controlPlane
        : { ...controlPlane, healthCheck: { ...healthCheck, url: redactUrl(healthCheck.url) } },
    kubernetes: {
      ...settings.kubernetes,
      address: settings.kubernetes.address === null ? null : redactUrl(settings.kubernetes.address),
    },
  };
}

/** `https://user:secret@host/` without what stands before the @. */
export const redactUrl = (url: string): string => url.replace(/\/\/[^/@]*@/, `//${REDACTED}@`);
