import type { IpAddress } from "../addr/ip.ts";

/** A TCP socket of this network namespace that another process has. */
export interface ForeignSocket {
  readonly state: "listening" | "connected" | "connecting";
  readonly local: SocketEnd;
  /** Of a listening socket the unspecified address and port 0. */
  readonly remote: SocketEnd;
  /** "bird (pid 812)", or what can be said where its process cannot be seen. Asked only of whom it is said: it takes a while. */
  readonly owner: () => string;
}

export interface SocketEnd {
  readonly address: IpAddress;
  readonly port: number;
}

/** Sockets of other processes with this port at either end; none where the kernel does not tell. */
export type ReadForeignSockets = (ports: ReadonlySet<number>) => readonly ForeignSocket[];
