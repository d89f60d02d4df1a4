import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { createCertificate } from "../../lab/kube/certificate.ts";
import { EtcdElector } from "../../src/etcd/elector.ts";
import { connectEtcd, type EtcdGateway, EtcdRefused, EtcdUnreachable } from "../../src/etcd/gateway.ts";
import { systemClock, systemEntropy } from "../../src/linux/io/system-clock.ts";
import { kubeAssets } from "../support/kube-assets.ts";
import { EtcdServer } from "./etcd-server.ts";

/** Elections in a real etcd, which comes with the API server's binaries. */
const assets = kubeAssets();
const log = pino({ level: "silent" });
const LEASE = { namespace: "kube-system", name: "plndr-cp-lock" };
const TIMES = { leaseDurationSeconds: 3, renewDeadlineSeconds: 2, retryPeriodSeconds: 0.5 };
const within = { timeout: 15_000, interval: 20 };

describe.skipIf("why" in assets)("an election in etcd", { timeout: 60_000 }, () => {
  let server: EtcdServer;
  let direct: EtcdGateway;
  const running: EtcdElector[] = [];

  beforeAll(async () => {
    server = await EtcdServer.start("why" in assets ? "" : assets.folder);
    direct = connectEtcd({ endpoints: [server.url], caFile: null, certFile: null, keyFile: null }, systemClock);
    await vi.waitFor(() => direct.call("/v3/kv/range", { key: "AA==" }, 1_000), within);
  }, 30_000);

  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.stop()));
  });
  afterAll(() => server?.stop());

  /** How many acted at the same time, at most; looked at whenever anything changes. */
  let most = 0;
  /** With a way to etcd that can be taken from it. */
  function candidate(identity: string, way: EtcdGateway = direct): { elector: EtcdElector; link: { cut: boolean } } {
    const link = { cut: false };
    const gateway: EtcdGateway = {
      call: (...request) => (link.cut ? Promise.reject(new EtcdUnreachable("cut")) : way.call(...request)),
    };
    const parts = { gateway, clock: systemClock, entropy: systemEntropy, log };
    const elector = new EtcdElector(parts, { lease: LEASE, identity, ...TIMES });
    running.push(elector);
    elector.onChange(() => {
      most = Math.max(most, running.filter((one) => one.view.isHolder).length);
    });
    elector.setCandidate(true);
    return { elector, link };
  }

  const keys = async (): Promise<string[]> => {
    const body = { key: "AA==", range_end: "AA==" };
    const { kvs = [] } = (await direct.call("/v3/kv/range", body, 1_000)) as {
      kvs?: { key: string; value: string }[];
    };
    const text = (encoded: string): string => Buffer.from(encoded, "base64").toString();
    return kvs.map(({ key, value }) => `${text(key)} = ${text(value)}`);
  };

  it("the first leads, the second takes over when the first stops, and the keys are as kube-vip's", async () => {
    const one = candidate("node-1");
    await vi.waitFor(
      () => expect(one.elector.view).toMatchObject({ holder: "node-1", isHolder: true, error: null }),
      within,
    );
    expect(await keys()).toEqual([expect.stringMatching(/^kube-system-plndr-cp-lock\/-?[0-9a-f]+ = node-1$/)]);
    const two = candidate("node-2");
    await vi.waitFor(async () => expect(await keys()).toHaveLength(2), within);
    await vi.waitFor(() => expect(two.elector.view.holder).toBe("node-1"), within);
    await one.elector.stop();
    await vi.waitFor(() => expect(two.elector.view).toMatchObject({ holder: "node-2", isHolder: true }), within);
    await two.elector.stop();
    expect(await keys()).toEqual([]);
  });

  it("a holder that is cut off stops acting before the next one begins", async () => {
    most = 0;
    const one = candidate("node-1");
    await vi.waitFor(() => expect(one.elector.view.isHolder).toBe(true), within);
    const two = candidate("node-2");
    await vi.waitFor(() => expect(two.elector.view.holder).toBe("node-1"), within);
    one.link.cut = true;
    await vi.waitFor(() => expect(two.elector.view.isHolder).toBe(true), within);
    expect(one.elector.view).toMatchObject({ isHolder: false, error: "cut" });
    one.link.cut = false;
    await vi.waitFor(() => expect(one.elector.view).toMatchObject({ holder: "node-2", error: null }), within);
    expect(most).toBe(1);
  });

  it("a daemon that starts again while its lease lives goes on with its own key", async () => {
    const one = candidate("node-1");
    await vi.waitFor(() => expect(one.elector.view.isHolder).toBe(true), within);
    // The process ends without a word: nothing is sent any more.
    one.link.cut = true;
    const again = candidate("node-1");
    await vi.waitFor(() => expect(again.elector.view.isHolder).toBe(true), within);
    expect(await keys()).toHaveLength(1);
  });

  it("goes on with the member that answers, and says what etcd refuses", async () => {
    const endpoints = ["http://127.0.0.1:9", server.url];
    const gateway = connectEtcd({ endpoints, caFile: null, certFile: null, keyFile: null }, systemClock);
    const one = candidate("node-1", gateway);
    await vi.waitFor(() => expect(one.elector.view.isHolder).toBe(true), within);
    await expect(gateway.call("/v3/lease/revoke", { ID: "12345" }, 2_000)).rejects.toThrow(EtcdRefused);
    const none = connectEtcd(
      { endpoints: endpoints.slice(0, 1), caFile: null, certFile: null, keyFile: null },
      systemClock,
    );
    await expect(none.call("/v3/kv/range", { key: "AA==" }, 500)).rejects.toThrow(/127\.0\.0\.1:9.*ECONNREFUSED/);
  });

  it("proves who it is by a client certificate, and believes only its own authority", async () => {
    const authority = createCertificate({ commonName: "etcd-ca" });
    const issue = (commonName: string, names: string[]): { certificate: string; key: string } =>
      createCertificate({ commonName, issuer: { commonName: "etcd-ca", key: authority.key }, names });
    const own = issue("etcd", ["127.0.0.1"]);
    const tls = await EtcdServer.start("why" in assets ? "" : assets.folder, { ...own, ca: authority.certificate });
    const folder = mkdtempSync(join(tmpdir(), "vipcast-etcd-client-"));
    onTestFinished(async () => {
      await tls.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    const client = issue("vipcast", []);
    const stranger = createCertificate({ commonName: "stranger" });
    const file = (name: string, pem: string): string => {
      writeFileSync(join(folder, name), pem);
      return join(folder, name);
    };
    const [certFile, keyFile] = [file("client.crt", client.certificate), file("client.key", client.key)];
    const access = { endpoints: [tls.url], caFile: file("ca.crt", authority.certificate), certFile, keyFile };
    const known = connectEtcd(access, systemClock);
    await vi.waitFor(() => known.call("/v3/kv/range", { key: "AA==" }, 2_000), within);
    const anonymous = connectEtcd({ ...access, certFile: null, keyFile: null }, systemClock);
    await expect(anonymous.call("/v3/kv/range", { key: "AA==" }, 2_000)).rejects.toThrow(EtcdUnreachable);
    const fooled = connectEtcd({ ...access, caFile: file("other.crt", stranger.certificate) }, systemClock);
    await expect(fooled.call("/v3/kv/range", { key: "AA==" }, 2_000)).rejects.toThrow(/certificate/);
    const missing = connectEtcd({ ...access, caFile: join(folder, "none.crt") }, systemClock);
    await expect(missing.call("/v3/kv/range", { key: "AA==" }, 2_000)).rejects.toThrow(/none\.crt/);
  });
});
