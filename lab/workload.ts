/**
 * The workload behind every Service: answers a TCP connection with the name of the node it runs on, and closes.
 *
 * Usage: node workload.ts NAME PORT. Ends with its standard input, so it never outlives the lab.
 */
import { createServer } from "node:net";

const [name = "", port = ""] = process.argv.slice(2);

const server = createServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.end(name);
});
server.listen({ port: Number(port), host: "::", backlog: 511 }, () => process.stdout.write("listening\n"));
process.stdin.on("end", () => process.exit(0)).resume();
