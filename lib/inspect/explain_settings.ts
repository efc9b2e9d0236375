import type { ListenerConfig } from "../config/listener.ts";
import type { PoolConfig } from "../config/pool.ts";
import type { ListenerLimits } from "../config/limits.ts";
import { formatDurationMs, formatSizeBytes } from "../config/yaml/units.ts";
import type { AdmissionOptions } from "../request/admission.ts";
import { CLIENT_NAME, type ClientIdentityOptions } from "../request/client_table.ts";
import type { Exchange } from "../request/exchange.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import type { HedgeOptions } from "../upstream_client/hedge.ts";
import { redact } from "../logging/redact.ts";

/** A name and what is configured under it, in words. */
export type Setting = readonly [name: string, text: string];

/** A request and what its listener and pool say of it. */
export interface SettingsSubject {
  readonly listener: ListenerConfig;
  readonly pool: PoolConfig;
  readonly exchange: Exchange;
  /** Media type of the response. */
  readonly contentType: string;
}

/** What of a listener and its pool lets in, bounds, repeats or shapes a request, in words. */
export function requestSettings(subject: SettingsSubject): Setting[] {
  return [
    ...accessSettings(subject),
    ...limitSettings(subject.listener),
    ...poolSettings(subject.pool),
    ...servingSettings(subject),
    ...changeSettings(subject),
  ];
}

function accessSettings({ listener: { auth, cors }, exchange }: SettingsSubject): Setting[] {
  const settings: Setting[] = [];
  if (auth !== null) {
    const clients = new Set(auth.tokens.map(({ client }) => client)).size;
    const stranger = exchange.identity?.hasToken ? "that of this request is not valid" : "this request shows none";
    const who = exchange.clientName === null ? stranger : `this is ${exchange.clientName}`;
    settings.push(["auth", `closed: ${clients} client${clients === 1 ? "" : "s"} with tokens; ${who}`]);
  }
  const pages = exchange.tenant.cors === null
    ? "as the upstream says"
    : cors?.mode === "own"
    ? cors.origins.join(", ") || "no page may read"
    : "every page may read";
  return [...settings, ["cors", pages]];
}

function limitSettings({ limits }: ListenerConfig): Setting[] {
  const { rate, byteRate, paceBytes, admission } = limits;
  const inFlight = admission === null ? "no limit" : admissionText(admission);
  return [
    ["client rate", rate === null ? "no limit" : rateText(rate)],
    ...(byteRate === null ? [] : [["client bytes", byteRateText(byteRate)] as Setting]),
    ...(paceBytes === null
      ? []
      : [["pace", `${formatSizeBytes(paceBytes)} per second for one large response`] as Setting]),
    ["in flight", inFlight],
  ];
}

function admissionText({ maxInFlight, queueSize, queueTimeoutMs }: AdmissionOptions): string {
  return `${maxInFlight} at upstreams; ${queueSize} more wait up to ${formatDurationMs(queueTimeoutMs)}, then 503`;
}

function rateText({ requests, perMs, burst, ...client }: NonNullable<ListenerLimits["rate"]>): string {
  return `${requests} in ${formatDurationMs(perMs)} each ${clientText(client)}, ${burst} at once; then 429`;
}

function byteRateText({ bytes, perMs, ...client }: NonNullable<ListenerLimits["byteRate"]>): string {
  return `${formatSizeBytes(bytes)} in ${formatDurationMs(perMs)} each ${clientText(client)}; then 429`;
}

function clientText({ header, ipv4Prefix, ipv6Prefix }: Omit<ClientIdentityOptions, "listener">): string {
  const address = `address (/${ipv4Prefix}, /${ipv6Prefix} for IPv6)`;
  return header === CLIENT_NAME ? "client with a name" : header === null ? address : `value of ${header}`;
}

function poolSettings({ strategy, sending, resilience: { hedge }, keyLimits, apiKeys }: PoolConfig): Setting[] {
  const { connectMs, firstByteMs, totalMs, attempts } = sending;
  const hedging = hedge === null ? "off" : hedgeText(hedge);
  return [
    ["strategy", strategy],
    ["timeouts", `connect ${formatDurationMs(connectMs)}, first byte ${formatDurationMs(firstByteMs)}`],
    ["tries", `${attempts} at most, ${formatDurationMs(totalMs)} together`],
    ["hedging", hedging],
    ...(keyLimits === null || apiKeys.length === 0 ? [] : [keySetting(keyLimits)]),
  ];
}

function hedgeText({ after, maxExtra }: HedgeOptions): string {
  const when = after === "p95" ? "the 95th percentile" : formatDurationMs(after.delayMs);
  return `a second try after ${when}, for ${percent(maxExtra)} of requests at most`;
}

function keySetting({ per, maxPerSecond, burst }: NonNullable<PoolConfig["keyLimits"]>): Setting {
  return [per === "pool" ? "keys together" : "each key", `${maxPerSecond} a second, ${burst} at once`];
}

function servingSettings({ listener, exchange: { tenant }, contentType }: SettingsSubject): Setting[] {
  const { offline, cache: { query, diskQuotaBytes, reuseAppends, sharedStale } } = listener;
  const counted = [
    ...(query.include === null ? [] : [`only ${query.include.join(", ")}`]),
    ...(query.exclude.length === 0 ? [] : [`not ${query.exclude.join(", ")}`]),
    ...(query.sort ? ["in any order"] : []),
  ];
  const { compress, cookieKey } = tenant.storing;
  const settings: Setting[] = [];
  if (tenant.type.verifies(mediaTypeOf(contentType))) {
    settings.push(["content", "verified: a 200 that is empty, cut short or not of its type is a failed try"]);
  }
  if (counted.length > 0) settings.push(["query in key", counted.join(", ")]);
  if (cookieKey.length > 0) settings.push(["cookies in key", cookieKey.join(", ")]);
  if (reuseAppends) settings.push(["appends", "also cut out of a stored document with more parts"]);
  if (sharedStale && tenant.policy !== null) {
    settings.push(["shared_stale", "s-maxage does not forbid stale-while-revalidate"]);
  }
  if (diskQuotaBytes !== null) settings.push(["disk quota", formatSizeBytes(diskQuotaBytes)]);
  if (compress?.isCompressible(contentType)) {
    settings.push(["compression", `${compress.codings.join(", ")} from ${formatSizeBytes(compress.minBytes)}`]);
  }
  if (offline !== false) {
    settings.push(["offline", offline === true ? "only what is stored" : "what is stored, while no upstream answers"]);
  }
  return settings;
}

/** Changes of a response before it is sent to the client. */
function changeSettings({ listener, exchange, contentType }: SettingsSubject): Setting[] {
  const { images, overrides, fillLanguages, fillWaitMs } = listener;
  const { rewrite, tenant } = exchange;
  const settings: Setting[] = [];
  if (tenant.images !== null && contentType.startsWith("image/")) {
    settings.push([
      "pictures",
      `converted to ${images.convert?.recipes.map(({ format }) => format).join(", ")} for clients that take it`,
    ]);
  }
  if (tenant.sizing !== null) settings.push(...sizeSettings(images));
  if (rewrite === null) return settings;
  if (rewrite.fill !== null) settings.push(["language", languageText(fillLanguages, fillWaitMs)]);
  const [address = "", ...digests] = rewrite.name.split(" ");
  const places = (tenant.rewriting?.overrides ?? []).flatMap(({ digest }, index) =>
    digests.includes(digest) ? [index + 1] : []
  );
  if (address !== "") settings.push(["image base", redact(address)]);
  if (places.length > 0) settings.push(["overrides", `${places.join(", ")} of ${overrides.length} match the request`]);
  return settings;
}

function languageText(languages: readonly string[], waitMs: number): string {
  return `what is missing is filled from ${languages.join(", ")}, as far as they come after the asked one; ` +
    `waits ${formatDurationMs(waitMs)} at most`;
}

/** Which sizes of pictures upstreams are asked for. */
function sizeSettings({ fallsBack, maxWidth }: ListenerConfig["images"]): Setting[] {
  const settings: Setting[] = [];
  if (fallsBack) {
    settings.push(["missing sizes", "the next larger one that upstreams have; if there is none, their 404"]);
  }
  if (maxWidth !== null) settings.push(["largest size", `${maxWidth} pixels wide, in the place of larger ones`]);
  return settings;
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
