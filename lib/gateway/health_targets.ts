import type { Clock } from "../clock.ts";
import type { Config, HealthConfig, PoolConfig, UpstreamConfig } from "../config/config.ts";
import type { CheckSpec } from "../health/check.ts";
import type { MonitoredPool } from "../health/health_monitor.ts";
import { OUTLIER_DEFAULTS } from "../health/outlier_detector.ts";
import { WEIGHT_DEFAULTS } from "../health/weights.ts";
import type { Fields } from "../http/fields.ts";
import type { Transport } from "../upstream_client/transport.ts";
import { createUpstreamType } from "../upstream_type/registry.ts";
import type { DefaultCheck, UpstreamType } from "../upstream_type/upstream_type.ts";
import { requestBase } from "./compile_pool.ts";

/** What is taken from outside. */
export interface HealthTargetDeps {
  readonly clock: Clock;
  readonly transportOf: (upstream: UpstreamConfig) => Transport;
}

/** What the health worker is to look after: every pool, its upstreams and how each is checked. */
export function monitoredPools(config: Config, deps: HealthTargetDeps): MonitoredPool[] {
  return config.pools.map((pool) => {
    const type = createUpstreamType(pool.type, {
      apiKeys: pool.apiKeys,
      keyMode: pool.keyMode,
      contentTypes: pool.contentTypes,
      now: () => deps.clock.now(),
    });
    return {
      name: pool.name,
      outliers: {
        ...OUTLIER_DEFAULTS,
        ...pool.resilience.outliers,
        consecutiveFailures: pool.health.maxFailures,
      },
      weights: { ...WEIGHT_DEFAULTS, ...pool.resilience.weights },
      upstreams: pool.upstreams.map((upstream) => ({
        id: upstream.id,
        weight: upstream.weight,
        check: checkOf(pool, upstream, type),
        transport: deps.transportOf(upstream),
      })),
    };
  });
}

const ANY_ANSWER: DefaultCheck = { method: "GET", target: "/", fields: [], status: [[200, 399]] };

function checkOf(pool: PoolConfig, upstream: UpstreamConfig, type: UpstreamType): CheckSpec | null {
  const { health } = pool;
  // A path of one's own is asked for as it stands: nothing of the type's default check fits it.
  const base = health.path === null ? type.check : { ...ANY_ANSWER, target: health.path };
  if (!health.enabled || base === null) return null;
  const { host, basePath } = requestBase(upstream);
  const method = health.method ?? base.method;
  const [path = "/", query = ""] = base.target.split("?");
  const outgoing = type.outgoing({ method, path, query, header: () => null });
  const added: Fields = outgoing.set.flatMap(([name, value]) => value === null ? [] : [[name, value]]);
  const own: Fields = Object.entries(health.fields).map(([name, value]) => [name.toLowerCase(), value]);
  return {
    method,
    target: basePath + path + (outgoing.query === "" ? "" : `?${outgoing.query}`),
    fields: [["host", host], ["user-agent", "usher-health"], ...base.fields, ...added, ...own],
    status: health.status ?? base.status,
    contains: health.contains,
    intervalMs: health.intervalMs,
    unhealthyIntervalMs: health.unhealthyIntervalMs,
    timeoutMs: health.timeoutMs,
    rise: health.rise,
    fall: health.fall,
    judge: judgeWith(type, health, base),
  };
}

/** A refused key says nothing bad of the host, nor does a limit; a block page does. */
function judgeWith(type: UpstreamType, health: HealthConfig, base: DefaultCheck): CheckSpec["judge"] {
  const ranges = health.status ?? base.status;
  return (status, fields, bodyText) => {
    const judgement = type.judge({ status, fields }, null);
    if (judgement === "credential") return "credential";
    if (judgement === "limited") return "pass";
    const isExpected = ranges.some(([from, to]) => status >= from && status <= to);
    if (judgement === "wrong_content" || !isExpected) return "fail";
    return health.contains === null || bodyText.includes(health.contains) ? "pass" : "fail";
  };
}
