import { elapsedMs } from "../clock.ts";
import type { CacheNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import { NO_WAIT } from "../request/phases.ts";

const LOOPBACK = /^(?:127\.|::1$|unix$)/;

/**
 * The `Server-Timing` line of a response (W3C Server Timing): how the cache took part, and where the time went until the response
 * began; empty for those who are not told.
 */
export function serverTimingLine(exchange: Exchange, { result }: CacheNote): string {
  const { tenant: { serverTiming }, services, phases, beganMs } = exchange;
  if (serverTiming === "off" || (serverTiming === "trusted" && !isTrusted(exchange))) return "";
  const { queueMs, connectMs, firstByteMs, upstreamMs } = phases?.times() ?? NO_WAIT;
  const durations: [string, number][] = [
    ["queue", queueMs],
    ["connect", connectMs],
    ["first_byte", firstByteMs],
    ["upstream", upstreamMs],
    ["total", Math.max(0, elapsedMs(services.clock) - beganMs)],
  ];
  const metrics = durations.filter(([name, ms]) => ms > 0 || name === "total")
    .map(([name, ms]) => `${name};dur=${Math.round(ms * 10) / 10}`);
  return `server-timing: ${[`cache;desc=${result}`, ...metrics].join(", ")}\r\n`;
}

/** Someone on this machine, or a trusted proxy itself. */
function isTrusted({ client, services }: Exchange): boolean {
  return LOOPBACK.test(client) || services.settings.isTrusted(client);
}
