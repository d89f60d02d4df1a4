import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { describe, expect, it } from "vitest";
import { parseTcpTable, readForeignSockets } from "./tcp-table.ts";

describe("the kernel's table of TCP sockets", () => {
  it("is read in its own spelling, for both families, and rows of other states or forms are left out", () => {
    const text = [
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
      "   0: 00000000:00B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0",
      "   1: 0500000A:9C40 0100000A:00B3 01 00000000:00000000 02:0000 00000000 0 0 4243 2",
      "   2: 0500000A:9C41 0100000A:00B3 06 00000000:00000000 02:0000 00000000 0 0 0 2",
      "   3: 000010FD000000000000000001000000:00B3 000010FD000000000000000002000000:9C40 01 0:0 02:0 0 0 0 4244 2",
      "   4: 0000000000000000FFFF00000500000A:00B3 0000000000000000FFFF00000100000A:9C40 01 0:0 02:0 0 0 0 4245 2",
      "   5: 0500000A:00B3 0100000A:9C42 01 00000000:00000000 02:0000 00000000 0 0 0 2",
      "   6: nonsense",
    ].join("\n");
    const shown = parseTcpTable(text).map(
      ({ state, local, remote, inode }) =>
        `${state} ${local.address} ${local.port} ${remote.address} ${remote.port} ${inode}`,
    );
    expect(shown).toEqual([
      "listening 0.0.0.0 179 0.0.0.0 0 4242",
      "connected 10.0.0.5 40000 10.0.0.1 179 4243",
      "connected fd10:::1 179 fd10:::2 40000 4244".replaceAll(":::", "::"),
      "connected 10.0.0.5 179 10.0.0.1 40000 4245",
    ]);
  });

  it("names other processes that listen or are connected, and neither our own sockets nor their other ends", async () => {
    const started: ChildProcess[] = [];
    const run = (program: string): ChildProcess => {
      const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
      started.push(child);
      return child;
    };
    const own = new net.Socket();
    try {
      const server = run(
        `const s = require("net").createServer(() => {}).listen(0, "127.0.0.1", () => console.log(s.address().port))`,
      );
      const port = Number(String((await once(server.stdout!, "data"))[0]));
      own.connect(port, "127.0.0.1");
      await once(own, "connect");
      const told = (): string[] =>
        readForeignSockets(new Set([port])).map(
          ({ state, remote, owner }) => `${state} ${remote.port} ${/\S+ \((pid \d+)\)$/.exec(owner())?.[1]}`,
        );
      expect(told()).toEqual([`listening 0 pid ${server.pid}`]);
      const client = run(`require("net").connect(${port}, "127.0.0.1", () => console.log("connected"))`);
      await once(client.stdout!, "data");
      expect(told()).toContain(`connected ${port} pid ${client.pid}`);
      expect(told()).toHaveLength(3);
    } finally {
      own.destroy();
      for (const child of started) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
  });
});
