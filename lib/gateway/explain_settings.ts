import type { ListenerConfig, PoolConfig } from "../config/config.ts";
import type { RateLimitConfig } from "../config/resilience_config.ts";
import { formatDurationMs, formatSizeBytes } from "../config/units.ts";
import type { StoringOptions } from "../proxy/storing_options.ts";

/** A name and what is configured under it, in words. */
export type Setting = readonly [name: string, text: string];

/** Of what a listener and its pool make of a request the part that is told. */
export interface SettingsSubject {
  readonly listener: ListenerConfig;
  readonly pool: PoolConfig;
  readonly storing: StoringOptions;
  /** Media type of the response. */
  readonly contentType: string;
}

/** What of a listener and its pool bounds, repeats or shapes a request, in words. */
export function requestSettings(subject: SettingsSubject): Setting[] {
  return [...limitSettings(subject.listener), ...poolSettings(subject.pool), ...servingSettings(subject)];
}

function limitSettings({ limits }: ListenerConfig): Setting[] {
  const { rate, maxInFlight, queueSize, queueTimeoutMs } = limits;
  const inFlight = maxInFlight === null
    ? "no limit"
    : `${maxInFlight} at upstreams; ${queueSize} more wait up to ${formatDurationMs(queueTimeoutMs)}, then 503`;
  return [["client rate", rate === null ? "no limit" : rateText(rate)], ["in flight", inFlight]];
}

function rateText({ requests, perMs, burst, header, ipv4Prefix, ipv6Prefix }: RateLimitConfig): string {
  const who = header === null ? `address (/${ipv4Prefix}, /${ipv6Prefix} for IPv6)` : `value of ${header}`;
  return `${requests} in ${formatDurationMs(perMs)} each ${who}, ${burst} at once; then 429`;
}

function poolSettings({ strategy, timeouts, resilience }: PoolConfig): Setting[] {
  const { retry, hedge } = resilience;
  const { connectMs, firstByteMs, totalMs } = timeouts;
  const after = hedge?.after === "p95" ? "the 95th percentile" : formatDurationMs(hedge?.after ?? 0);
  return [
    ["strategy", strategy],
    ["timeouts", `connect ${formatDurationMs(connectMs)}, first byte ${formatDurationMs(firstByteMs)}`],
    ["tries", `${retry.attempts} at most, ${formatDurationMs(totalMs)} together`],
    [
      "hedging",
      hedge === null ? "off" : `a second try after ${after}, for ${percent(hedge.maxExtra)} of requests at most`,
    ],
  ];
}

function servingSettings(
  { listener: { offline, cache: { query } }, storing, contentType }: SettingsSubject,
): Setting[] {
  const counted = [
    ...(query.include === null ? [] : [`only ${query.include.join(", ")}`]),
    ...(query.exclude.length === 0 ? [] : [`not ${query.exclude.join(", ")}`]),
    ...(query.sort ? ["in any order"] : []),
  ];
  const { compress, cookieKey } = storing;
  const settings: Setting[] = [];
  if (counted.length > 0) settings.push(["query in key", counted.join(", ")]);
  if (cookieKey.length > 0) settings.push(["cookies in key", cookieKey.join(", ")]);
  if (compress?.isCompressible(contentType)) {
    settings.push(["compression", `${compress.codings.join(", ")} from ${formatSizeBytes(compress.minBytes)}`]);
  }
  if (offline !== false) {
    settings.push(["offline", offline === true ? "only what is stored" : "while no upstream answers"]);
  }
  return settings;
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
