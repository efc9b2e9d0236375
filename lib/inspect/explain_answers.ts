import { applicableDirectives, freshnessOf } from "../cache/policy/freshness.ts";
import { KEY_SEPARATOR } from "../cache/key.ts";
import { evaluate } from "../cache/policy/policy.ts";
import { matchingRule, type PolicyOptions } from "../cache/policy/policy_options.ts";
import type { CacheRuleConfig } from "../config/caching.ts";
import type { PoolConfig } from "../config/pool.ts";
import type { Exchange } from "../request/exchange.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";
import { type MadeUpAnswer, type Outcome, type Trial, tryOut } from "./dry_run.ts";
import type { AnswerView, CacheView } from "./explanation.ts";
import { shownTarget } from "./shown_request.ts";

/** A request at one listen address, and the listener that takes it. */
export interface RoutedCase extends Trial {
  readonly exchange: Exchange;
  readonly pool: PoolConfig;
  readonly contentType: string;
}

/** Media types by how paths end. */
const BY_EXTENSION: Readonly<Record<string, string>> = {
  avif: "image/avif",
  css: "text/css",
  gif: "image/gif",
  html: "text/html",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript",
  json: "application/json",
  mp4: "video/mp4",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain",
  webp: "image/webp",
  xml: "application/xml",
};

/** Answers that are tried out at most. */
const MAX_ANSWERS = 64;

const USUAL = ["application/json", "image/jpeg", "text/html", "application/octet-stream"];

/** A type of content that the upstreams of a pool may answer a path with. */
export function likelyContentType(type: UpstreamType, path: string): string {
  const extension = /\.([a-z0-9]{2,4})$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  const candidates = [...(BY_EXTENSION[extension] === undefined ? [] : [BY_EXTENSION[extension]]), ...USUAL];
  const isCarried = (contentType: string) =>
    type.judge({ status: 200, fields: [["content-type", contentType]] }, null) === "ok";
  return candidates.find(isCarried) ?? candidates[0]!;
}

/** An answer of a status and a type, with an end-to-end `Cache-Control` or none. */
export function madeUpAnswer(status: number, contentType: string, cacheControl: string | null = null): MadeUpAnswer {
  const fields: Fields = [["content-type", contentType]];
  if (cacheControl !== null) fields.push(["cache-control", cacheControl]);
  // As many bytes as make it what its type says.
  return { status, fields, body: contentOf(contentType) };
}

/** Content that passes for its type. */
function contentOf(contentType: string): string {
  if (contentType.startsWith("image/")) return `${"GIF89a".padEnd(24, "\0")};`;
  return /\bxml\b/.test(contentType) ? "<a/>" : "{}";
}

/** The answers that a listener's rules tell apart, the usual ones first. */
function tellingAnswers(
  exchange: Exchange,
  rules: readonly CacheRuleConfig[],
  contentType: string,
): MadeUpAnswer[] {
  const compiled = exchange.tenant.policy?.rules ?? [];
  const byRules = rules.flatMap((rule, index) => {
    if (rule.contentType === null && rule.status === null) return [];
    const sample = madeUpAnswer(rule.status?.[0]?.[0] ?? 200, sampleOf(rule.contentType) ?? contentType);
    const subject = { path: exchange.path, status: sample.status, fields: sample.fields };
    return matchingRule(compiled, subject) === compiled[index] ? [sample] : [];
  });
  const answers = [
    madeUpAnswer(200, contentType),
    madeUpAnswer(200, contentType, "max-age=600"),
    madeUpAnswer(404, contentType),
    madeUpAnswer(503, contentType),
    ...byRules,
  ];
  return [...new Map(answers.map((answer) => [JSON.stringify(answer), answer])).values()];
}

/** A type that a media range takes in. */
function sampleOf(range: string | null): string | null {
  if (range === null || range === "*/*") return null;
  return range.replace("image/*", "image/jpeg").replace("text/*", "text/plain").replace("/*", "/x");
}

/** How a cache rule is called, by the places of its listener and its own. */
export type RuleNames = (listener: number, rule: number) => string;

type RuleName = (rule: number) => string;

/** How the cache takes part in a request; `null` where the listener does not cache. */
export async function cacheView(one: RoutedCase, ruleNames: RuleNames): Promise<CacheView | null> {
  const { exchange, pool } = one;
  const { policy, type } = exchange.tenant;
  if (policy === null) return null;
  const verdict = evaluate(exchange, undefined, { options: policy, nowMs: exchange.services.clock.now() });
  const bypass = verdict.kind === "bypass" ? exchange.private ?? verdict.detail ?? verdict.fwd : null;
  return {
    mode: policy.mode,
    client_cache_control: policy.clientCacheControl,
    bypass,
    key: bypass === null ? exchange.key.split(KEY_SEPARATOR).map((part) => shownTarget(part, pool.apiKeys)) : null,
    vary_ignored: [...policy.ignoreVary],
    tags: type.tags(exchange),
    answers: bypass === null ? await answerViews(one, ruleNames) : [],
  };
}

async function answerViews(one: RoutedCase, ruleNames: RuleNames): Promise<AnswerView[]> {
  const { exchange, config, contentType } = one;
  const place = config.listeners.findIndex(({ name }) => name === exchange.tenant.name);
  const { rules } = config.listeners[place]!.cache;
  const ruleName = (rule: number) => ruleNames(place, rule);
  // A response to HEAD is none that could be stored; one to GET is, and answers HEAD too.
  const fetched = exchange.method === "HEAD" ? { ...one, asked: { ...one.asked, method: "GET" } } : one;
  const answers = tellingAnswers(exchange, rules, contentType).slice(0, MAX_ANSWERS);
  const views = await Array.fromAsync(
    answers,
    async (answer) => answerView(exchange, { answer, outcome: await tryOut(fetched, answer), ruleName }),
  );
  const [silent] = views;
  return views.filter((view) => view === silent || !isSaidInVain(view, silent!));
}

/** Whether an answer fares no better or worse for what its `Cache-Control` says. */
function isSaidInVain(view: AnswerView, silent: AnswerView): boolean {
  const { cache_control: said, sent_cache_control: _sent, ...rest } = view;
  const { cache_control: _said, sent_cache_control: _sentSilently, ...restSilent } = silent;
  return said !== null && JSON.stringify(rest) === JSON.stringify(restSilent);
}

/** The outcome of one answer. */
function answerView(
  exchange: Exchange,
  { answer, outcome, ruleName }: { answer: MadeUpAnswer; outcome: Outcome; ruleName: RuleName },
): AnswerView {
  const { stored } = outcome;
  const freshness = stored?.freshness;
  const forced = freshness?.alwaysValidate === true;
  return {
    status: answer.status,
    content_type: fieldValue(answer.fields, "content-type") ?? "",
    cache_control: fieldValue(answer.fields, "cache-control"),
    stored: stored !== null,
    fresh_ms: freshness === undefined || forced ? 0 : Math.max(0, freshness.lifetimeMs - freshness.initialAgeMs),
    stale_while_revalidate_ms: freshness?.staleWhileRevalidateMs ?? 0,
    stale_if_error_ms: freshness?.staleIfErrorMs ?? 0,
    memory: stored?.tiers.memory ?? false,
    disk: stored?.tiers.disk ?? false,
    decided_by: decidedBy(exchange, answer, ruleName),
    sent_cache_status: fieldValue(outcome.fields, "cache-status"),
    sent_cache_control: fieldValue(outcome.fields, "cache-control"),
  };
}

/** Who says how long an answer is fresh. */
function decidedBy(exchange: Exchange, { status, fields }: MadeUpAnswer, ruleName: RuleName): string {
  const options: PolicyOptions = exchange.tenant.policy!;
  const rule = matchingRule(options.rules, { path: exchange.path, status, fields });
  const nowMs = exchange.services.clock.now();
  const { basis } = freshnessOf({
    head: { status, fields },
    times: { requestTimeMs: nowMs, responseTimeMs: nowMs },
    applicable: applicableDirectives((name) => fieldValue(fields, name), options.targetedFields),
    options,
    rule,
    routeTtl: exchange.routeTtl,
  });
  const name = rule === null ? null : ruleName(options.rules.indexOf(rule));
  if (basis !== "configured") return name === null ? basis : `${basis}, ${name}`;
  return name !== null && (rule!.ttlMs !== null || exchange.routeTtl === null) ? name : `class ${exchange.class.name}`;
}
