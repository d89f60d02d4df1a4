import { machineMillis } from "../../../lab/machine-time.ts";
import { waitFor } from "../../../lab/wait.ts";
import { ip } from "../../../src/addr/ip.ts";
import type { BfdSessionConfig } from "../../../src/bfd/session/session-config.ts";
import { INTERFACE } from "../stage.ts";
import type { Feature } from "./feature.ts";
import { LIMIT_MILLIS, type Scene } from "./scene.ts";

/** Three times 50 ms, and what a machine with other work may add; the hold time of the session is 90 s. */
const DETECTED_MILLIS = 2_000;
const CEASE = 6;
const BFD_DOWN = 10;

const sessionOf = (scene: Scene): BfdSessionConfig => ({
  name: "router",
  remote: ip(scene.stage.address("router")),
  local: ip(scene.stage.address("ours")),
  interfaceName: INTERFACE,
  minimumTtl: null,
  transmitMillis: 50,
  receiveMillis: 50,
  multiplier: 3,
  passive: false,
  auth: null,
  fastTimers: false,
});

export const bfd: Feature = {
  name: "bfd",
  title: "BFD (RFC 5880, 5881, 5882)",
  what: "3 × 50 ms: whichever side hangs, the other one ends the BGP session at once; ours says so with 6/10 (RFC 9384)",
  async play(scene) {
    const speaker = await scene.begin({ router: { bfd: true } });
    await speaker.order({ do: "bfd", sessions: [sessionOf(scene)] });
    const up = async (): Promise<void> => {
      await speaker.until("our BFD session is up", LIMIT_MILLIS, (view) => view.bfd[0]?.state === "up" || "it is not");
      await waitFor("the router's BFD session is up", LIMIT_MILLIS, () => scene.router.isBfdUp());
    };
    await up();
    const hung = machineMillis();
    speaker.process.signal("SIGSTOP");
    await scene.routerHas("nothing of a speaker that hangs", []);
    const took = machineMillis() - hung;
    scene.demand(took <= DETECTED_MILLIS, `the router has found out after ${Math.round(took)} ms`);
    speaker.process.signal("SIGCONT");
    await scene.converged(speaker);
    await up();

    scene.router.freeze();
    const notified = await speaker.until("our Cease", LIMIT_MILLIS, ({ traffic }) => {
      const all = traffic.sent.notifications;
      return all.some(({ code, subcode }) => code === CEASE && subcode === BFD_DOWN) || JSON.stringify(all);
    });
    scene.demand(notified <= DETECTED_MILLIS, `we have found out after ${Math.round(notified)} ms`);
  },
};
