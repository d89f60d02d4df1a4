import type { SessionSettings, Settings } from "./settings.ts";

export const REDACTED = "(redacted)";

/** The settings without secrets, for logs and status: passwords and keys of peers, and credentials inside URLs. */
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
            peers: bgp.peers.map((peer) => ({ ...peer, ...redactSession(peer) })),
            annotated: bgp.annotated && {
              ...bgp.annotated,
              session: { ...bgp.annotated.session, ...redactSession(bgp.annotated.session) },
            },
            dynamicNeighbours: bgp.dynamicNeighbours.map((it) => ({ ...it, ...redactSession(it) })),
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

/** Only the secret itself goes; a file, a variable or a Kubernetes Secret may be named. */
const redactSession = ({ password, bfd }: SessionSettings): Pick<SessionSettings, "password" | "bfd"> => ({
  password: password?.kind === "value" ? { kind: "value", value: REDACTED } : password,
  bfd: bfd?.auth ? { ...bfd, auth: { ...bfd.auth, key: REDACTED } } : bfd,
});

/** `https://user:secret@host/` without what stands before the @. */
export const redactUrl = (url: string): string => url.replace(/\/\/[^/@]*@/, `//${REDACTED}@`);
