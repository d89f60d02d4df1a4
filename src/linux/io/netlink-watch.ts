import { constants } from "node:os";
import { Instant } from "../../base/time.ts";
import { NativeWriter } from "../wire/native-bytes.ts";
import {
  AF_NETLINK,
  bindSocket,
  closeSocket,
  openSocket,
  receiveDatagram,
  SOCK_RAW,
  SystemError,
  watchReadable,
} from "./ffi.ts";
import { systemClock } from "./system-clock.ts";

/** RTMGRP_LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE. */
const GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/** A flapping link causes a dozen messages within a few milliseconds: one call for all of them. */
const FOLD_MILLIS = 5;
/** Datagrams taken in one turn of the event loop, so that a storm of routes does not keep others from theirs. */
const TURN_MAX = 256;

/**
 * Calls `onChange` within a few milliseconds after links, addresses or routes changed in this network namespace, and
 * at most 200 times a second. What changed is not told: whoever cares looks, which also covers lost messages.
 */
export function watchNetlink(onChange: () => void): { close(): void } {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, 0, true);
  const buffer = new Uint8Array(4096);
  let pending = false;
  const fold = systemClock.alarm(() => {
    pending = false;
    onChange();
  });
  const changed = (): void => {
    if (pending) return;
    pending = true;
    fold.set(Instant.add(systemClock.now(), FOLD_MILLIS));
  };
  const drain = (): void => {
    for (let count = 0; count < TURN_MAX; count++) {
      if (!takeOne(fd, buffer)) return;
      changed();
    }
  };
  let readable;
  try {
    bindSocket(fd, new NativeWriter().u32(AF_NETLINK).u32(0).u32(GROUPS).finish());
    readable = watchReadable(fd, drain);
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
  return {
    close() {
      fold.close();
      readable.close();
      closeSocket(fd);
    },
  };
}

/** False when nothing is left. Messages that were lost, or that the buffer is too short for, are changes as well. */
function takeOne(fd: number, buffer: Uint8Array): boolean {
  try {
    return receiveDatagram(fd, buffer, false) !== null;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.errno === constants.errno.ENOBUFS || error.errno === constants.errno.EMSGSIZE) return true;
    throw error;
  }
}
