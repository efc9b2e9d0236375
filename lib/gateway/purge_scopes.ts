import { queryFilter } from "../cache/key.ts";
import type { PurgeScope } from "../cache/purge/purge_rules.ts";
import type { Config } from "../config/config.ts";
import type { ListenerConfig } from "../config/listener.ts";
import { nearest } from "../config/yaml/nearest.ts";
import { keyTargetOf, withoutPrefix } from "../request/request_key.ts";
import {
  beginningInOneSpelling,
  hasDotSegment,
  inOneSpelling,
  patternInOneSpelling,
  splitTarget,
} from "../http/target.ts";
import { RouteTable } from "../listener/route_table.ts";
import { upstreamTypes } from "../upstream_type/registry.ts";
import type { TypedRequest } from "../upstream_type/upstream_type.ts";
import { addressKey } from "./compile.ts";
import { compileSizing } from "./compile_images.ts";
import { ruledBeginnings, ruledRequests } from "./ruled_targets.ts";

/** What an operator asks to be purged, in the words of clients: URLs and paths as they send them. */
export interface PurgeOrder {
  readonly by: "url" | "prefix" | "glob" | "tag" | "all";
  /** URL or path, beginning of paths, pattern, or tag; nothing for `all`. */
  readonly value: string;
  /** `null` is every listener. */
  readonly listener: string | null;
  /** Gone at once; else stale, to be validated at the next use. */
  readonly hard: boolean;
}

/** The scopes that an order comes to, or why it comes to none. */
export type PurgePlan =
  | { readonly ok: true; readonly scopes: readonly PurgeScope[] }
  | { readonly ok: false; readonly problem: string };

/** What an order means to the listeners of a configuration: which of them, and which targets as their cache keys hold them. */
export function purgeScopes(config: Config, order: PurgeOrder): PurgePlan {
  const { listener, by, value } = order;
  const asked = listener === null ? config.listeners : config.listeners.filter(({ name }) => name === listener);
  if (asked.length === 0) return unknownListener(config, listener!);
  if (by === "all") return { ok: true, scopes: [{ kind: "all", listener }] };
  if (by === "tag") return { ok: true, scopes: [{ kind: "tag", listener, tag: value }] };
  const scopes = by === "url"
    ? urlScopes(config, asked, value)
    : asked.flatMap((one) => by === "prefix" ? prefixScopes(one, value) : globScopes(one, value));
  if (scopes.length > 0) return { ok: true, scopes };
  return { ok: false, problem: `No listener${listener === null ? "" : ` "${listener}"`} serves "${value}"` };
}

function unknownListener(config: Config, name: string): PurgePlan {
  const near = nearest(name, config.listeners.map((known) => known.name));
  return { ok: false, problem: `There is no listener "${name}"${near === null ? "" : `; did you mean "${near}"?`}` };
}

/** One target on each listener that a request for it could come to. */
function urlScopes(config: Config, asked: readonly ListenerConfig[], url: string): PurgeScope[] {
  const named = splitTarget(url.startsWith("/") ? `http://${url}` : url.replace(/#.*$/s, ""));
  if (named === null) return [];
  const target = { ...named, path: spelledPath(named.path) };
  const serving = target.authority === "" ? asked : routed(asked, target.authority, target.path);
  return serving.filter(({ prefix }) => covers(inOneSpelling(prefix), target.path)).flatMap((listener) => {
    const path = listener.stripPrefix ? withoutPrefix(target.path, inOneSpelling(listener.prefix)) : target.path;
    const type = typeOf(config, listener);
    const asked = { method: "GET", path, query: target.query, header: () => null };
    const tenant = { filterQuery: queryFilter(listener.cache.query), type };
    const sizing = compileSizing(listener, type);
    const asFetched = (request: TypedRequest) => ({
      ...request,
      path: sizing?.bounded?.(request.path) ?? request.path,
    });
    const keyed = [asked, ...ruledRequests(listener, asked, target.authority)].map((request) =>
      keyTargetOf(tenant, asFetched(request))
    );
    return [...new Set(keyed)].map((one) => ({ kind: "url" as const, listener: listener.name, target: one }));
  });
}

/** A path as keys may hold it, without dot segments: no request with any is served (RFC 3986 §6.2.2.3). */
function spelledPath(path: string): string {
  const spelled = inOneSpelling(path);
  return hasDotSegment(spelled) ? new URL(`http://any.invalid${spelled}`).pathname : spelled;
}

/** The listeners that requests for an authority and a path come to, one an address. */
function routed(listeners: readonly ListenerConfig[], authority: string, path: string): ListenerConfig[] {
  const byAddress = Map.groupBy(listeners, ({ listen }) => addressKey(listen));
  return [...byAddress.values()].flatMap((here) => {
    const table = new RouteTable(
      here.map((value) => ({ hosts: value.hosts, prefix: inOneSpelling(value.prefix), value })),
    );
    return table.match(authority, path) ?? [];
  });
}

function prefixScopes(listener: ListenerConfig, given: string): PurgeScope[] {
  const { name, stripPrefix } = listener;
  const asked = beginningInOneSpelling(given);
  const prefix = inOneSpelling(listener.prefix);
  const whole = prefix === "/" ? "/" : `${prefix}/`;
  if (asked === prefix || whole.startsWith(asked)) return [{ kind: "all", listener: name }];
  if (!covers(prefix, asked)) return [];
  const rest = stripPrefix ? withoutPrefix(asked, prefix) : asked;
  const beginning = rest.startsWith("?") ? `/${rest}` : rest;
  const beginnings = beginning.includes("?") ? [beginning] : [beginning, ...ruledBeginnings(listener, beginning)];
  return beginnings.map((one) => ({ kind: "prefix", listener: name, prefix: one }));
}

function globScopes(listener: ListenerConfig, given: string): PurgeScope[] {
  const { name, stripPrefix } = listener;
  const pattern = patternInOneSpelling(given);
  const prefix = inOneSpelling(listener.prefix);
  const head = pattern.slice(0, (pattern + "*").indexOf("*"));
  if (!head.startsWith(prefix) && !prefix.startsWith(head)) return [];
  const base = stripPrefix && prefix !== "/" ? prefix : "";
  return [pattern, ...ruledPatterns(listener, pattern, base)].map((one) => ({
    kind: "glob",
    listener: name,
    pattern: one,
    ...(base === "" ? {} : { base }),
  }));
}

/** Stands for a wildcard while rules work on a pattern's path: no spelling changes it. */
const WILDCARD = "~any-3f9c1e~";

/** What rules make of the paths of a pattern: they take its wildcards for a part of the path. */
function ruledPatterns(listener: ListenerConfig, pattern: string, base: string): string[] {
  const [path = "", ...query] = pattern.slice(base.length).split("?");
  if (!pattern.startsWith(`${base}/`)) return [];
  const asked = { method: "GET", path: path.replaceAll("*", WILDCARD), query: "", header: () => null };
  const made = ruledRequests(listener, asked, "").map((request) => request.path.replaceAll(WILDCARD, "*"));
  return [...new Set(made)].filter((one) => one !== path).map((one) => [base + one, ...query].join("?"));
}

/** Whether a path lies under a listener's prefix, on segment boundaries. */
function covers(prefix: string, path: string): boolean {
  if (prefix === "/") return path.startsWith("/");
  return path.startsWith(prefix) && ["", "/", "?"].includes(path.charAt(prefix.length));
}

function typeOf(config: Config, { pool: name }: ListenerConfig) {
  const pool = config.pools.find((known) => known.name === name)!;
  const { keyMode } = pool;
  return upstreamTypes.create(pool.type, { apiKeys: [], keyMode, contentTypes: null, now: () => 0 });
}
