import type { Clock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import type { HealthConfig } from "../config/health.ts";
import type { PoolConfig } from "../config/pool.ts";
import type { UpstreamConfig } from "../config/upstream.ts";
import type { CheckRequest, CheckResponse, CheckSendOptions, CheckSpec, CheckTransport } from "../health/check.ts";
import type { MonitoredPool } from "../health/pool_monitor.ts";
import { OUTLIER_DEFAULTS } from "../health/outlier_detector.ts";
import { WEIGHT_DEFAULTS } from "../health/weights.ts";
import type { Fields, ResponseHead } from "../http/fields.ts";
import type { Transport } from "../upstream_client/transport.ts";
import { upstreamTypes } from "../upstream_type/registry.ts";
import type { AnswerSource, DefaultCheck, Judgement, KeyEvent, UpstreamType } from "../upstream_type/upstream_type.ts";
import { requestBase } from "./compile_pool.ts";

/** What is taken from outside. */
export interface HealthTargetDeps {
  readonly clock: Clock;
  readonly transportOf: (upstream: UpstreamConfig) => Transport;
  /** What all workers know of a pool's key, by its digest; what checks find out is theirs alone where it is left out. */
  readonly keyCells?: (pool: string, digest: string) => Int32Array;
  readonly onKeyEvent?: (pool: string, event: KeyEvent) => void;
}

/** What the health worker is to look after: every pool, its upstreams and how each is checked. */
export function monitoredPools(config: Config, deps: HealthTargetDeps): MonitoredPool[] {
  return config.pools.map((pool) => {
    const type = upstreamTypes.create(pool.type, {
      apiKeys: pool.apiKeys,
      keyMode: pool.keyMode,
      contentTypes: pool.contentTypes,
      now: () => deps.clock.now(),
      onKeyEvent: (event) => deps.onKeyEvent?.(pool.name, event),
      credentials: {
        ...(deps.keyCells === undefined ? {} : { cellsOf: deps.keyCells.bind(deps, pool.name) }),
        // A check waits for nothing, but what it takes of the rate is not given to requests.
        limits: pool.keyLimits,
        upstreams: pool.upstreams.length,
      },
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
        ...checkOf(pool, upstream, { type, transport: deps.transportOf(upstream) }),
      })),
    };
  });
}

const ANY_ANSWER: DefaultCheck = { method: "GET", target: "/", fields: [], status: [[200, 399]] };

/** How an upstream is reached, and what its type makes of requests and answers. */
interface CheckParts {
  readonly type: UpstreamType;
  readonly transport: Transport;
}

/** How an upstream is checked, if it is, and by what. */
function checkOf(
  pool: PoolConfig,
  upstream: UpstreamConfig,
  parts: CheckParts,
): { check: CheckSpec | null; transport: CheckTransport } {
  const { health } = pool;
  const { type, transport } = parts;
  // A path of one's own is asked for as it stands: nothing of the type's default check fits it.
  const base = health.path === null ? type.check : { ...ANY_ANSWER, target: health.path };
  if (!health.enabled || base === null) return { check: null, transport };
  const { host, basePath } = requestBase(upstream);
  const own: Fields = Object.entries(health.fields).map(([name, value]) => [name.toLowerCase(), value]);
  const credentials = new CheckCredentials(parts, { basePath, id: upstream.id, hasOthers: pool.upstreams.length > 1 });
  const check: CheckSpec = {
    ...health.check,
    method: health.method ?? base.method,
    target: base.target,
    fields: [["host", host], ["user-agent", "usher-health"], ...base.fields, ...own],
    status: health.status ?? base.status,
    judge: judgeWith(health, base, (head) => credentials.judge(head)),
  };
  return { check, transport: credentials };
}

/** Puts a credential into each check as into each request, and has its answer judged with it. One check is under way at a time. */
class CheckCredentials implements CheckTransport, AnswerSource {
  readonly id: string;
  readonly #parts: CheckParts;
  readonly #basePath: string;
  readonly #hasOthers: boolean;
  #credential: number | null = null;

  constructor(parts: CheckParts, upstream: { id: string; basePath: string; hasOthers: boolean }) {
    this.id = upstream.id;
    this.#parts = parts;
    this.#basePath = upstream.basePath;
    this.#hasOthers = upstream.hasOthers;
  }

  /** The others are checked with the same keys. */
  mayAskOther(): boolean {
    return this.#hasOthers;
  }

  /** A check has no client. */
  asksFor(): boolean {
    return false;
  }

  send(request: CheckRequest, options: CheckSendOptions): Promise<CheckResponse> {
    const { type, transport } = this.#parts;
    const mark = request.target.indexOf("?");
    const path = mark < 0 ? request.target : request.target.slice(0, mark);
    const query = mark < 0 ? "" : request.target.slice(mark + 1);
    const outgoing = type.outgoing({ method: request.method, path, query, header: () => null });
    // A check waits for nothing: its type was told so.
    const { query: ownQuery, set, credential } = "waitMs" in outgoing ? { query, set: [], credential: null } : outgoing;
    this.#credential = credential;
    const given = new Set(request.fields.map(([name]) => name));
    const added: Fields = set.flatMap(([name, value]) => value === null || given.has(name) ? [] : [[name, value]]);
    const target = this.#basePath + path + (ownQuery === "" ? "" : `?${ownQuery}`);
    return transport.send({ ...request, target, fields: [...request.fields, ...added] }, options);
  }

  judge(head: ResponseHead): Judgement {
    return this.#parts.type.judge(head, this.#credential, this);
  }
}

/** A refused key says nothing bad of the host, nor does a limit; a block page does. */
function judgeWith(
  health: HealthConfig,
  base: DefaultCheck,
  judge: (head: ResponseHead) => Judgement,
): CheckSpec["judge"] {
  const ranges = health.status ?? base.status;
  const { contains } = health.check;
  return (status, fields, bodyText) => {
    const judgement = judge({ status, fields });
    if (judgement === "credential" || judgement === "disputed") return "credential";
    if (judgement === "limited") return "pass";
    if (judgement === "refusing") return "fail";
    const isExpected = ranges.some(([from, to]) => status >= from && status <= to);
    if (judgement === "wrong_content" || !isExpected) return "fail";
    return contains === null || bodyText.includes(contains) ? "pass" : "fail";
  };
}
