import type { EngineScript } from "./engine.ts";

/** The position of the last entry of the stream. */
const HEAD = `
local function position(id)
  local ms, seq = string.match(id, '^(%d+)%-(%d+)$')
  return ms * 4096 + seq
end
local function head()
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
  return newest[1] and position(newest[1][1]) or 0
end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function text(number) return string.format('%.0f', number) end
`;

/**
 * Appends a message behind all others and behind a position that its sender knows, and rings. Keys: stream, members. Arguments: known
 * position, channel, entries kept, body, code. Answers the position, then the members and their leases' ends, and the time.
 */
export const SEND: EngineScript = {
  name: "bus send",
  text: `${HEAD}
local last, time = head(), now()
local at = math.max(time * 4096, last + 1, ARGV[1] + 1)
local id = text(math.floor(at / 4096)) .. '-' .. text(at % 4096)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], id, 'p', text(last), 'c', ARGV[5], 'b', ARGV[4])
redis.call('PUBLISH', ARGV[2], text(last) .. ' ' .. text(at) .. ' ' .. ARGV[5] .. ' ' .. ARGV[4])
return {text(at), redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'), text(time)}`,
};

/**
 * Renews a member's lease: it has applied all up to a position, so the lease counts from when the first entry behind that came. One whose
 * lease was over gets none before it has applied all: somebody may have gone on without it. Keys: stream, members, positions. Arguments:
 * member, lease in milliseconds, position, its id, milliseconds that a member is remembered without a lease. Answers the time, from when
 * the lease counts (0 for none), the head and the number of members.
 */
export const BEAT: EngineScript = {
  name: "bus beat",
  text: `${HEAD}
local time, last = now(), head()
local since = 0
if last == tonumber(ARGV[3]) then
  since = time
elseif last > tonumber(ARGV[3]) and tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or 0) > time then
  local next = redis.call('XRANGE', KEYS[1], '(' .. ARGV[4], '+', 'COUNT', 1)
  since = math.min(time, math.floor(position(next[1][1]) / 4096))
end
if since > 0 then
  redis.call('ZADD', KEYS[2], text(since + ARGV[2]), ARGV[1])
  redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
end
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', text(time - ARGV[5]))
for _, member in ipairs(gone) do
  redis.call('ZREM', KEYS[2], member)
  redis.call('ZREM', KEYS[3], member)
end
return {text(time), text(since), text(last), redis.call('ZCARD', KEYS[2])}`,
};

/** Says how far a member has applied. Keys: positions. Arguments: member, position, channels of those who wait for it. */
export const REPORT: EngineScript = {
  name: "bus report",
  text: `redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
for n = 3, #ARGV do redis.call('PUBLISH', ARGV[n], ARGV[2] .. ' ' .. ARGV[1]) end
return 1`,
};

/** All members with their leases' ends and positions, and the time. Keys: members, positions. */
export const MEMBERS: EngineScript = {
  name: "bus members",
  text: `local time = redis.call('TIME')
return {redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'),
  string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))}`,
};

/** A member leaves. Keys: members, positions. Arguments: member. */
export const LEAVE: EngineScript = {
  name: "bus leave",
  text: `redis.call('ZREM', KEYS[1], ARGV[1]) redis.call('ZREM', KEYS[2], ARGV[1]) return 1`,
};
