import { buildAuth, buildCors } from "./build_access.ts";
import { buildListenerImages } from "./build_images.ts";
import { buildPrewarm } from "./build_prewarm.ts";
import { buildLimits } from "./build_resilience.ts";
import { buildRewriting } from "./build_rewriting.ts";
import { buildRules } from "./build_rules.ts";
import { buildStoring } from "./build_storing.ts";
import type { CacheRuleConfig, ListenerConfig } from "./config.ts";
import { buildTls } from "./build_tls.ts";
import { listenAddressOf } from "./listen_sections.ts";
import type { FileValues } from "./schema.ts";
import type { NamedFiles } from "./authorities.ts";

type ListenerValues = FileValues["listeners"][number];

function buildRule(rule: ListenerValues["cache"]["rules"][number]): CacheRuleConfig {
  return {
    path: rule.path ?? null,
    contentType: rule.content_type ?? null,
    status: rule.status ?? null,
    ttlMs: rule.ttl ?? null,
    minTtlMs: rule.min_ttl ?? null,
    maxTtlMs: rule.max_ttl ?? null,
    staleWhileRevalidateMs: rule.stale_while_revalidate ?? null,
    staleIfErrorMs: rule.stale_if_error ?? null,
    memory: rule.memory,
    disk: rule.disk,
  };
}

/** One listener, from the values of a sound file; relative paths start from `cwd`. */
export function buildListener(
  listener: ListenerValues,
  { server, cache }: Pick<FileValues, "server" | "cache">,
  { cwd, certificates, authorities }: { readonly cwd: string } & NamedFiles,
): ListenerConfig {
  const { mode, rules, query } = listener.cache;
  return {
    name: listener.name,
    listen: listenAddressOf(listener.listen, cwd)!,
    proxyProtocol: listener.proxy_protocol,
    tls: buildTls(listener.tls, { certificates, authorities }, listener.host),
    redirectToHttps: listener.redirect_to_https,
    maxRequestBodyBytes: listener.max_request_body ?? server.max_request_body,
    forwardFields: [...new Set(listener.forward_fields)].sort(),
    hosts: [...new Set(listener.host)],
    prefix: listener.prefix,
    stripPrefix: listener.strip_prefix,
    pool: listener.pool,
    cache: {
      mode: mode ?? null,
      rules: rules.map(buildRule),
      query: { include: query.include ?? null, exclude: query.exclude, sort: query.sort },
      ...buildStoring(listener.cache, cache),
    },
    auth: buildAuth(listener),
    cors: buildCors(listener),
    limits: buildLimits(listener),
    offline: listener.offline,
    ...buildRewriting(listener),
    prewarm: buildPrewarm(listener, cwd),
    images: buildListenerImages(listener),
    ...buildRules(listener),
  };
}
