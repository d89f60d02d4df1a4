import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { Credentials, KubeConfigInvalid } from "./credentials.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "vipcast-credentials-"))));
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

function kubeconfig(user: object, cluster: object = {}, rest: object = {}): string {
  return write(
    "kubeconfig",
    JSON.stringify({
      "current-context": "a",
      contexts: [
        { name: "a", context: { cluster: "c", user: "u" } },
        { name: "b", context: { cluster: "d", user: "u" } },
        { name: "lost", context: { cluster: "nowhere", user: "u" } },
      ],
      clusters: [
        { name: "c", cluster: { server: "https://one:6443", ...cluster } },
        { name: "d", cluster: { server: "https://two:6443" } },
      ],
      users: [{ name: "u", user }],
      ...rest,
    }),
  );
}

const load = (source: object, clock = new VirtualClock()): Credentials => new Credentials(source, clock);

/** A plugin that counts its runs and prints what `status` (JavaScript) is. */
function plugin(status: string): object {
  const script = write(
    "plugin.mjs",
    `import { appendFileSync } from "node:fs";
     appendFileSync(${JSON.stringify(join(folder, "runs"))}, process.env.KUBERNETES_EXEC_INFO + "\\n");
     console.log(JSON.stringify({ kind: "ExecCredential", status: ${status} }));`,
  );
  return { exec: { apiVersion: "client.authentication.k8s.io/v1", command: process.execPath, args: [script] } };
}

describe("a kubeconfig", () => {
  it("gives what client-node's own KubeConfig makes of it", async () => {
    const users = [
      { token: "secret" },
      { username: "me", password: "secret" },
      { "client-certificate-data": base64("cert"), "client-key-data": base64("key") },
      { token: "secret", as: "someone-else" },
    ];
    for (const user of users) {
      const cluster = { "certificate-authority-data": base64("ca"), "tls-server-name": "name" };
      const kubeconfigPath = kubeconfig(user, cluster);
      const ours = load({ kubeconfigPath });
      const { headers, tls } = await ours.access();
      const config = new KubeConfig();
      config.loadFromFile(kubeconfigPath);
      const theirs: Record<string, unknown> & { headers: object; auth?: string } = { headers: {} };
      await config.applyToHTTPSOptions(theirs);
      const basic = theirs.auth === undefined ? {} : { Authorization: `Basic ${base64(theirs.auth)}` };
      expect(headers).toEqual({ ...theirs.headers, ...basic });
      expect(ours.server).toBe(config.getCurrentCluster()?.server);
      for (const key of ["ca", "cert", "key", "servername"] as const) expect(tls[key]).toEqual(theirs[key]);
    }
  });

  it("can be used with another context, server or server name", async () => {
    const kubeconfigPath = kubeconfig({});
    expect(load({ kubeconfigPath, context: "b" }).server).toBe("https://two:6443");
    const other = load({ kubeconfigPath, server: "https://127.0.0.1:7443/", tlsServerName: "kubernetes" });
    expect([other.server, (await other.access()).tls.servername]).toEqual(["https://127.0.0.1:7443", "kubernetes"]);
  });

  it("names files from its own folder, and trims a token's newline", async () => {
    write("ca.crt", "ca");
    write("token", "secret\n");
    const kubeconfigPath = kubeconfig({ tokenFile: "token" }, { "certificate-authority": "ca.crt" });
    const { headers, tls } = await load({ kubeconfigPath }).access();
    expect([headers["Authorization"], String(tls.ca)]).toEqual(["Bearer secret", "ca"]);
  });

  it("is refused with its name and what is wrong, before anything is asked", () => {
    const cases: [object, RegExp][] = [
      [{}, /neither a kubeconfig file nor/],
      [{ kubeconfigPath: join(folder, "none") }, /none: ENOENT/],
      [{ kubeconfigPath: write("bad", "a: [") }, /bad: /],
      [{ kubeconfigPath: write("text", "hello") }, /text: not a kubeconfig/],
      [{ kubeconfigPath: kubeconfig({}), context: "c" }, /no context "c"/],
      [{ kubeconfigPath: kubeconfig({}), context: "lost" }, /cluster nowhere, which is not there/],
      [{ kubeconfigPath: kubeconfig({}), server: "http://x" }, /only https/],
      [{ kubeconfigPath: kubeconfig({}), server: "x" }, /not a URL/],
    ];
    for (const [source, message] of cases) {
      expect(() => load(source)).toThrow(KubeConfigInvalid);
      expect(() => load(source)).toThrow(message);
    }
    const oidc = { "auth-provider": { name: "oidc", config: {} } };
    expect(() => load({ kubeconfigPath: kubeconfig(oidc) })).toThrow(/auth-provider "oidc" is not supported/);
    expect(() => load({ kubeconfigPath: kubeconfig({}, { "proxy-url": "http://p" }) })).toThrow(/proxy-url/);
    expect(() => load({ kubeconfigPath: kubeconfig({}, { "certificate-authority": "none" }) })).toThrow(/ENOENT/);
    expect(() => load({ kubeconfigPath: kubeconfig({}, {}, { users: [] }) })).toThrow(/user u, which is not there/);
  });

  it("is read again once it or a file it names has changed, and not otherwise", async () => {
    const clock = new VirtualClock();
    write("ca.crt", "old");
    const credentials = load(
      { kubeconfigPath: kubeconfig({ token: "1" }, { "certificate-authority": "ca.crt" }) },
      clock,
    );
    const first = await credentials.access();
    clock.advance(60_000);
    expect((await credentials.access()).tls).toBe(first.tls);
    write("ca.crt", "newer");
    expect(String((await credentials.access()).tls.ca)).toBe("old");
    clock.advance(10_000);
    expect(String((await credentials.access()).tls.ca)).toBe("newer");
    kubeconfig({ token: "another" }, { "certificate-authority": "ca.crt" });
    clock.advance(10_000);
    expect((await credentials.access()).headers["Authorization"]).toBe("Bearer another");
  });
});

describe("an exec plugin", () => {
  it("is told the API version, run once, and again after its answer was refused", async () => {
    const credentials = load({ kubeconfigPath: kubeconfig(plugin('{ token: "t" + process.pid }')) });
    const first = await credentials.access();
    expect(first.headers["Authorization"]).toMatch(/^Bearer t\d+$/);
    expect((await credentials.access()).headers).toEqual(first.headers);
    credentials.forget();
    expect((await credentials.access()).headers).not.toEqual(first.headers);
  });

  it("may give a certificate, which then stays the same material", async () => {
    const status = '{ clientCertificateData: "cert", clientKeyData: "key" }';
    const credentials = load({ kubeconfigPath: kubeconfig(plugin(status)) });
    const { tls } = await credentials.access();
    expect(tls).toMatchObject({ cert: "cert", key: "key" });
    expect((await credentials.access()).tls).toBe(tls);
  });

  it("that fails costs the request, not more", async () => {
    const credentials = load({ kubeconfigPath: kubeconfig({ exec: { command: "no-such-command" } }) });
    await expect(credentials.access()).rejects.toThrow(/ENOENT/);
    await expect(credentials.access()).rejects.toThrow(/ENOENT/);
  });
});

describe("a service account", () => {
  it("is taken from the pod, and its token read again when the server refuses it", async () => {
    write("ca.crt", "ca");
    write("token", "one");
    const source = { inCluster: true, serviceAccountFolder: folder };
    const before = process.env["KUBERNETES_SERVICE_HOST"];
    try {
      process.env["KUBERNETES_SERVICE_HOST"] = "fd00::1";
      const credentials = load(source);
      expect(credentials.server).toBe("https://[fd00::1]:443");
      expect((await credentials.access()).headers["Authorization"]).toBe("Bearer one");
      write("token", "two");
      expect((await credentials.access()).headers["Authorization"]).toBe("Bearer one");
      credentials.forget();
      expect((await credentials.access()).headers["Authorization"]).toBe("Bearer two");
      rmSync(join(folder, "token"));
      expect(() => load(source)).toThrow(/token: ENOENT/);
      delete process.env["KUBERNETES_SERVICE_HOST"];
      expect(() => load(source)).toThrow(/not in a pod/);
    } finally {
      if (before !== undefined) process.env["KUBERNETES_SERVICE_HOST"] = before;
      else delete process.env["KUBERNETES_SERVICE_HOST"];
    }
  });
});
