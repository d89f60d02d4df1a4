import { readFileSync } from "node:fs";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { Instant } from "../base/time.ts";
import type { Clock } from "../ports/clock.ts";

/**
 * etcd's JSON gateway (the v3 API as `POST /v3/…`), which every etcd serves beside gRPC on its client port. Keys and
 * values are base64, 64-bit numbers are decimal text.
 */
export interface EtcdGateway {
  /**
   * Asks the members one after the other, beginning with the one that answered last, until one answers.
   *
   * @throws EtcdRefused when etcd answered with an error
   * @throws EtcdUnreachable when no member answered within `timeoutMillis`
   */
  call(path: string, body: object, timeoutMillis: number): Promise<unknown>;
}

export class EtcdUnreachable extends Error {
  override readonly name = "EtcdUnreachable";
}

/** An answer of etcd that is an error, in etcd's words. */
export class EtcdRefused extends Error {
  override readonly name = "EtcdRefused";
}

export interface EtcdAccess {
  /** Base URLs, `https://` or `http://`. */
  readonly endpoints: readonly string[];
  /** PEM files; null where there is none. */
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
}

/** Answers to these calls are a few hundred bytes. */
const BODY_MAX_BYTES = 1024 * 1024;

export function connectEtcd(access: EtcdAccess, clock: Clock): EtcdGateway {
  return new HttpsGateway(access, clock);
}

class HttpsGateway implements EtcdGateway {
  readonly #access: EtcdAccess;
  readonly #clock: Clock;
  #preferred = 0;
  #agent: Agent | null = null;

  constructor(access: EtcdAccess, clock: Clock) {
    this.#access = access;
    this.#clock = clock;
  }

  async call(path: string, body: object, timeoutMillis: number): Promise<unknown> {
    const { endpoints } = this.#access;
    const until = Instant.add(this.#clock.now(), timeoutMillis);
    const failures: string[] = [];
    for (let tried = 0; tried < endpoints.length; tried++) {
      const index = (this.#preferred + tried) % endpoints.length;
      const leftMillis = until - this.#clock.now();
      if (leftMillis <= 0) break;
      // A member that hangs must leave time for the others.
      const shareMillis = leftMillis / (endpoints.length - tried);
      try {
        const answer = await this.#ask(`${endpoints[index]}${path}`, body, shareMillis);
        this.#preferred = index;
        return answer;
      } catch (error) {
        if (error instanceof EtcdRefused) throw error;
        // Certificates are read anew for the next connection: they may have been renewed.
        this.#agent?.destroy();
        this.#agent = null;
        failures.push(`${endpoints[index]}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    throw new EtcdUnreachable(`no etcd member answers: ${failures.join("; ") || "no time left"}`);
  }

  #ask(url: string, body: object, timeoutMillis: number): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const giveUp = new AbortController();
    const deadline = this.#clock.alarm(() => giveUp.abort());
    deadline.set(Instant.add(this.#clock.now(), timeoutMillis));
    const payload = JSON.stringify(body);
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(payload) };
    const options = { method: "POST", headers, signal: giveUp.signal };
    const take = (response: IncomingMessage): void => {
      readJson(response).then((answer) => {
        if (response.statusCode === 200) return resolve(answer);
        const { error, message } = answer as { error?: string; message?: string };
        return reject(new EtcdRefused(message ?? error ?? `status ${response.statusCode}`));
      }, reject);
    };
    const sent = url.startsWith("https:")
      ? httpsRequest(url, { ...options, agent: this.#connections() }, take)
      : httpRequest(url, options, take);
    sent.on("error", (error) =>
      reject(giveUp.signal.aborted ? new Error(`no answer within ${Math.round(timeoutMillis)} ms`) : error),
    );
    sent.end(payload);
    return promise.finally(() => deadline.close());
  }

  /** @throws Error of the file system, with the file's name */
  #connections(): Agent {
    const { caFile, certFile, keyFile } = this.#access;
    this.#agent ??= new Agent({
      keepAlive: true,
      ...(caFile === null ? {} : { ca: readFileSync(caFile) }),
      ...(certFile === null ? {} : { cert: readFileSync(certFile) }),
      ...(keyFile === null ? {} : { key: readFileSync(keyFile) }),
    });
    return this.#agent;
  }
}

async function readJson(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_MAX_BYTES) throw new Error("the answer is too long");
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null) return parsed;
  } catch {
    // Falls through: whatever it is, it is not etcd's.
  }
  throw new Error(`status ${response.statusCode}, not JSON: is this etcd's client port?`);
}
