import type { StoredHead } from "../cache/stored_response.ts";
import { EngineError, type EngineReply, type EngineScript } from "./engine.ts";

/**
 * Steps over one entry and its lease, each in one turn of the engine. The key of the entry holds a value (see `entry_seal.ts`) or a mark
 * that it was deleted; that of the lease the token of who fetches, or `solo` where nobody is to wait for another. Both keys have the
 * same hash tag. Numbers in values are read as they were written: by `struct`, big-endian.
 */

/** How a look-up found the lease of its entry. */
export type LeaseState =
  /** It was not asked for, or is of no use: what lies there is fresh. */
  | "none"
  /** Who asks has it now. */
  | "held"
  /** Another gateway fetches. */
  | "taken"
  /** What comes is not to be shared: each fetches for itself. */
  | "solo";

const LEASES: readonly LeaseState[] = ["none", "held", "taken", "solo"];

/** The lease's value where nobody is to wait. */
const SOLO = "solo";

/** What a look-up found. */
export interface LookReply {
  readonly value: Uint8Array<ArrayBuffer> | null;
  readonly lease: LeaseState;
  /** Until the lease ends by itself, in milliseconds. */
  readonly leaseMs: number;
}

/**
 * `KEYS`: entry, lease. `ARGV`: token or nothing, milliseconds of the lease, the time now, purge position and time of an entry that is
 * known and of no use.
 */
export const LOOK: EngineScript = {
  name: "look",
  text: `
local value = redis.call('GET', KEYS[1])
local fresh = false
if value then
  if string.byte(value, 1) == 0 or (ARGV[4] ~= '' and string.sub(value, 5, 20) == ARGV[4]) then
    value = false
  elseif string.byte(value, 1) == 1 and #value >= 88 then
    fresh = struct.unpack('>d', string.sub(value, 21, 28)) > tonumber(ARGV[3])
  end
end
if fresh or ARGV[1] == '' then return {value, 0, 0} end
local holder = redis.call('GET', KEYS[2])
if not holder then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
  return {value, 1, 0}
end
if holder == ARGV[1] then return {value, 1, 0} end
return {value, holder == '${SOLO}' and 3 or 2, redis.call('PTTL', KEYS[2])}
`,
};

/** @throws {EngineError} where it is no reply to that */
export function lookReply(reply: EngineReply): LookReply {
  const [value, lease, leaseMs] = Array.isArray(reply) ? reply : [];
  if (!(value === null || value instanceof Uint8Array) || typeof lease !== "number" || typeof leaseMs !== "number") {
    throw new EngineError("wrong", "the engine answered no look-up");
  }
  return { value, lease: LEASES[lease] ?? "none", leaseMs };
}

/**
 * Puts a value unless there is a newer one: one with a larger purge position, or the same and a later request. Of two markers of the same
 * names the earlier one leads to more. Then gives the lease back and wakes who waits. Answers the header of the value that it replaced,
 * or 0 where it put nothing.
 *
 * `KEYS`: entry, lease. `ARGV`: value, milliseconds to keep it, token or nothing, channel.
 */
export const PUT: EngineScript = {
  name: "put",
  text: `
local held = redis.call('GETRANGE', KEYS[1], 0, 87)
local keep = false
if #held >= 56 and string.byte(held, 1) <= 1 then
  local heldAt, heldMs = struct.unpack('>dd', string.sub(held, 5, 20))
  local newAt, newMs = struct.unpack('>dd', string.sub(ARGV[1], 5, 20))
  local names = string.sub(ARGV[1], 37, 44)
  if heldAt ~= newAt then
    keep = heldAt > newAt
  elseif names ~= string.rep('\\0', 8) and names == string.sub(held, 37, 44) then
    keep = heldMs < newMs
    if keep and redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  else
    keep = heldMs > newMs
  end
end
if not keep then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
if ARGV[3] ~= '' and redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
redis.call('PUBLISH', ARGV[4], '')
if keep then return 0 end
return held
`,
};

/** Puts one part of a value. `KEYS`: part. `ARGV`: bytes, milliseconds to keep them. */
export const PUT_PART: EngineScript = {
  name: "put part",
  text: "return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])",
};

/** Removes parts. `KEYS`: all of them. */
export const DROP_PARTS: EngineScript = { name: "drop parts", text: "return redis.call('UNLINK', unpack(KEYS))" };

/**
 * Puts a mark in the place of an entry, which older puts do not replace. `KEYS`: entry. `ARGV`: mark, milliseconds to keep it. Answers the
 * header of what it replaced.
 */
export const DELETE: EngineScript = {
  name: "delete",
  text: `
local held = redis.call('GETRANGE', KEYS[1], 0, 87)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return held
`,
};

/** Holds a lease for longer. `KEYS`: lease. `ARGV`: token, milliseconds. Answers 1 where it is still held. */
export const RENEW: EngineScript = {
  name: "renew lease",
  text: "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
};

/** Gives a lease back, or has nobody wait for so long, and wakes who waits. `KEYS`: lease. `ARGV`: token, channel, milliseconds or 0. */
export const RELEASE: EngineScript = {
  name: "release lease",
  text: `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], '${SOLO}', 'PX', ARGV[3]) end
redis.call('PUBLISH', ARGV[2], '')
return 1
`,
};

/** By which of two entries one is the newer. */
export type Order = Pick<StoredHead, "purgePosition" | "requestTimeMs">;

/** Purge position and time as `LOOK` compares them. */
export function orderOf({ purgePosition, requestTimeMs }: Order): Uint8Array<ArrayBuffer> {
  const order = new Uint8Array(16);
  const view = new DataView(order.buffer);
  view.setFloat64(0, purgePosition);
  view.setFloat64(8, requestTimeMs);
  return order;
}

/** The mark of a deletion: a header of version 0. */
export function deletionMark(order: Order): Uint8Array<ArrayBuffer> {
  const mark = new Uint8Array(56);
  mark.set(orderOf(order), 4);
  return mark;
}
