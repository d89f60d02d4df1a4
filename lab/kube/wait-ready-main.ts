import { get } from "node:https";

/** Waits until an API server's /readyz says ok: `wait-ready-main.ts URL MILLIS`. Exit code 0, or 1 when time is over. */
const [url = "", millis = "0"] = process.argv.slice(2);
const deadline = performance.now() + Number(millis);

while (performance.now() < deadline) {
  if (await isReady()) process.exit(0);
  await new Promise((resolve) => setTimeout(resolve, 100));
}
process.exit(1);

function isReady(): Promise<boolean> {
  return new Promise((resolve) => {
    // Only asks whether it is there: who it is, its users check.
    const request = get(`${url}/readyz`, { rejectUnauthorized: false, timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(false));
  });
}
