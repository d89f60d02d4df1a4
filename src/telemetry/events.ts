import type { Logger } from "pino";

/**
 * Every line that the daemon logs, with its level. Names are API: users alert on them, so renaming one is a breaking
 * change. The comment gives the fields.
 */
const EVENTS = {
  "daemon.started": "info", //        version, node, mode
  "daemon.stopping": "info", //       signal
  "daemon.stopped": "info", //
  "daemon.failed": "error", //        error (the start did not succeed)
  "daemon.stop-overdue": "error", //  (something hung, the process leaves)
  "config.warning": "warn", //        (the warning is the message)
  "address.added": "info", //         address, interfaceIndex
  "address.removed": "info", //       address, interfaceIndex
  "address.failed": "error", //       address, error
  "route.added": "info", //           prefix, table, protocol (in the kernel)
  "route.removed": "info", //         prefix, table, protocol
  "route.gone": "warn", //            prefix, table, protocol (somebody took it away, or its interface went down)
  "route.failed": "error", //         prefix, error (when it changes)
  "route.note-failed": "warn", //     error (when it changes)
  "kernel.unreadable": "error", //    error (logged when it changes)
  "vip.announced": "info", //         owner, address, path
  "vip.withdrawn": "info", //         owner, address, path, gate, reason
  "vip.refused": "warn", //           owner, reason
  "events.write-failed": "warn", //   error (when it changes)
  "pools.assigned": "info", //        service, addresses
  "pools.no-address": "warn", //      service, reason
  "pools.write-failed": "warn", //    service, error (when it changes)
  "firewall.changed": "info", //      vips, restricted (ports)
  "firewall.failed": "error", //      error (when it changes)
  "firewall.gone": "warn", //         (somebody took the rules away)
  "balancer.changed": "info", //      vips (address, port, backends)
  "balancer.failed": "error", //      error (when it changes)
  "balancer.gone": "warn", //         (somebody took the rules away)
  "fallback.started": "warn", //      (no session for the configured time)
  "fallback.ended": "info", //
  "probe.changed": "info", //         state, detail
  "election.state": "info", //        lease, from, to, cause, holder
  "election.same-identity": "error", // lease, identity (another daemon renews it under our name)
  "election.request-failed": "warn", // lease, error (once per kind of failure)
  "kube.watch.interrupted": "warn", // path, error (once per kind of failure)
  "kube.object.refused": "warn", //   path, key, error (that object alone is left out)
  "kube.synced": "info", //           services, endpointSlices, nodes
  "status.port-failed": "error", //   name, port, error
  "status.write-failed": "warn", //   service, error
  "bgp.resumed": "info", //           noted (by the process before; else its addresses were found)
  "bgp.routes.kept": "info", //       seconds (for which routers keep them)
  "bgp.note-failed": "warn", //       error
  "bgp.node": "info", //              localAs, routerId, peers (what the Node of this node makes of the configuration)
  "bgp.node.wrong": "warn", //        (each sentence once, until it is right)
  "bgp.another-speaker": "warn", //   peer (another process on this node has a session with it)
  "bgp.session.state": "info", //     from, to, cause (of the peer as an operator sees it)
  "bgp.connection.state": "debug", // slot, from, to, cause (of one of the peer's two connections)
  "bgp.connection.refused": "debug", // remote, reason
  "bgp.listener.failed": "error", //  error
  "bgp.transport.failed": "warn", //  reason (logged when it changes)
  "bgp.notification.sent": "info", // code, subcode, section
  "bgp.notification.received": "warn", // code, subcode
  "bgp.update.malformed": "warn", //  attributes, sections, withdrawn, suppressed, hex
  "bgp.update.ignored": "info", //    reason (once per session)
  "bgp.prefixes.near-limit": "warn", // family, count, limit (once per session)
  "bgp.routes.stale": "info", //      families, count, seconds
  "bgp.family.not-announced": "warn", // family, reason (logged when it changes)
  "bfd.session.state": "info", //     from, to, diagnostic, remoteState
  "bfd.session.trouble": "warn", //   reason (when it changes)
  "bfd.session.recovered": "info", // (the trouble is over)
  "bfd.stalled": "warn", //           lateMillis (we were late ourselves; the peer is asked again)
  "bfd.not-real-time": "warn", //     reason (once)
  "bfd.worker.failed": "error", //    error (the thread is started again)
  "bfd.graceful-restart": "warn", //  (BFD may take a restart of the peer for a failure)
  "l2.announce.failed": "warn", //    vip, interfaceIndex, error (when it changes)
  "l2.announce.recovered": "info", // vip, interfaceIndex
  "l2.listen.failed": "warn", //      interfaceIndex, error (when it changes)
  "l2.router.found": "info", //       interface, router, instead (of which other one, or null)
  "l2.router.lost": "warn", //        interface, router (the link went down)
  "l2.router.ignored": "warn", //     interface, router, current (every ten minutes at most)
  "l2.router.failed": "warn", //      interface, error (when it changes)
  "l2.conflict": "warn", //           vip, interfaceIndex, mac, count (once a minute for each party)
} as const satisfies Record<string, "debug" | "info" | "warn" | "error">;

export type EventName = keyof typeof EVENTS;

/** The only door to the log: the event's name fixes its level, so it never appears at two severities. */
export function emit(log: Logger, event: EventName, fields: object, message: string): void {
  log[EVENTS[event]]({ ...fields, event }, message);
}
