import { constants } from "node:os";
import { NetlinkRefused } from "../../ports/network.ts";
import { decodeMessages, decodeOutcome, NLMSG } from "../wire/message.ts";
import {
  encodeBatch,
  encodeGenerationQuery,
  encodeTableQuery,
  type NftChange,
  type NftFamily,
} from "../wire/nftables.ts";
import { NativeReader } from "../wire/native-bytes.ts";
import { errnoMessage } from "./ffi.ts";
import { NetlinkSocket, openNetlinkTransport } from "./netlink-socket.ts";

const NETLINK_NETFILTER = 12;
/** One batch is one datagram: enough for tens of thousands of elements. */
const SEND_BUFFER_BYTES = 16 * 1024 * 1024;
/** struct nfgenmsg, before the attributes of an answer. */
const HEADER_LENGTH = 4;

/** Tables of nftables, changed by whole batches. Synchronous: the kernel has carried a batch out when it answers. */
export class Nftables {
  readonly #transport = openNetlinkTransport(NETLINK_NETFILTER, { sendBufferBytes: SEND_BUFFER_BYTES });
  readonly #questions = new NetlinkSocket(openNetlinkTransport(NETLINK_NETFILTER));
  #sequence = 1;

  /** All of it, or nothing. @throws NetlinkRefused */
  apply(what: string, family: NftFamily, changes: readonly NftChange[]): void {
    const { datagram, firstSequence, lastChange, nextSequence } = encodeBatch(family, changes, this.#sequence);
    this.#sequence = nextSequence;
    this.#transport.send(datagram);
    let refusal: NetlinkRefused | null = null;
    for (;;) {
      const answer = this.#transport.receive();
      if (answer === null) throw refusal ?? new NetlinkRefused(what, constants.errno.ETIMEDOUT, "no answer");
      for (const message of decodeMessages(answer)) {
        if (message.type !== NLMSG.error || message.sequence < firstSequence) continue;
        const { errno, explanation } = decodeOutcome(message);
        // The first failure says why; later changes fail because of it. The last one is answered in any case, unless
        // the whole batch is refused: the answer is then to its first message.
        if (errno !== 0) refusal ??= new NetlinkRefused(what, errno, explanation ?? errnoMessage(errno));
        const isLast = message.sequence === lastChange || message.sequence === firstSequence;
        if (isLast && refusal) throw refusal;
        if (isLast) return;
      }
    }
  }

  hasTable(family: NftFamily, table: string): boolean {
    const { type, payload } = encodeTableQuery(family, table);
    return this.#questions.get(`table ${table}`, type, payload) !== null;
  }

  /** Counts every change of any rule set by anybody; null where the kernel does not say. */
  generation(): number | null {
    const { type, payload } = encodeGenerationQuery();
    const answer = this.#questions.get("generation", type, payload);
    if (answer === null) return null;
    const reader = new NativeReader(answer);
    reader.slice(HEADER_LENGTH + 4, "header");
    const [a = 0, b = 0, c = 0, d = 0] = reader.slice(4, "generation");
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  }

  close(): void {
    this.#transport.close();
    this.#questions.close();
  }
}
