/**
 * The API server as one node has it: a forwarder to the rack's only API server, which can be killed for one node alone.
 *
 * It passes TLS through untouched. A connection that starts with "who" instead of a TLS record is answered with the
 * node's name, so that a client can tell which node's API server it has reached without paying for a handshake.
 *
 * Usage: node api-front.ts NAME LISTEN HOST PORT, where LISTEN is a port on all addresses or the path of a socket.
 * Ends with its standard input, so it never outlives the lab.
 */
import { connect, createServer, type Socket } from "node:net";

const [name = "", listen = "", host = "", port = ""] = process.argv.slice(2);

const server = createServer((downstream) => {
  downstream.on("error", () => downstream.destroy());
  downstream.once("data", (first) => {
    if (first.subarray(0, 3).toString("latin1") === "who") {
      downstream.end(name);
      return;
    }
    downstream.pause();
    const upstream = connect({ host, port: Number(port) });
    upstream.write(first);
    join(downstream, upstream);
    join(upstream, downstream);
  });
});
const started = (): boolean => process.stdout.write("listening\n");
if (/^\d+$/.test(listen)) server.listen({ port: Number(listen), host: "::", backlog: 511 }, started);
else server.listen({ path: listen }, started);
process.stdin.on("end", () => process.exit(0)).resume();

/** Bytes of one side go to the other; when one side is gone, so is the other. */
function join(from: Socket, to: Socket): void {
  from.setNoDelay(true);
  from.pipe(to);
  from.on("error", () => to.destroy());
  from.on("close", () => to.destroy());
}
