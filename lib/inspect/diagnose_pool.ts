import { type Clock, systemClock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import type { PoolConfig } from "../config/pool.ts";
import type { UpstreamConfig } from "../config/upstream.ts";
import { type ProbeDeps, probeWay } from "../upstream_client/probe.ts";
import { http1Options } from "../gateway/compile_pool.ts";
import {
  askCheck,
  type CheckAnswer,
  httpFinding,
  keyFinding,
  typeOfPool,
  withDefaultCheck,
  withSafeCheck,
} from "./check_findings.ts";
import type { Finding } from "./finding.ts";
import { isReachable, wayFindings } from "./way_findings.ts";

/** What was found out about one upstream. */
export interface UpstreamDiagnosis {
  readonly id: string;
  readonly findings: readonly Finding[];
  /** Milliseconds by which this machine's clock is ahead of the upstream's; `null` where that gave no time. */
  readonly clock_ahead_ms: number | null;
}

/** What was found out about one pool. */
export interface PoolDiagnosis {
  readonly pool: string;
  readonly type: string;
  readonly upstreams: readonly UpstreamDiagnosis[];
  readonly keys: readonly Finding[];
}

/** How pools are looked over. */
export interface DiagnoseOptions extends ProbeDeps {
  /** Pools to look over, by name; `null` for all. */
  readonly pool: string | null;
  readonly clock?: Clock;
}

/** Upstreams and keys that are asked at a time. */
const AT_A_TIME = 8;
/** What is not done after so many steps' time is left out. */
const STEPS_IN_ALL = 12;

/** Looks every upstream of the pools over: the way to it, its health check, and each key. Never throws. */
export async function diagnosePools(config: Config, options: DiagnoseOptions): Promise<PoolDiagnosis[]> {
  const clock = options.clock ?? systemClock;
  const bounds = { untilMs: performance.now() + STEPS_IN_ALL * options.timeoutMs };
  const pools = config.pools.filter(({ name }) => options.pool === null || name === options.pool);
  const jobs = pools.flatMap((pool) => pool.upstreams.map((upstream) => ({ config, pool, upstream, clock })));
  const seen = await inTurns(jobs, bounds, (job) => examined(job, options));
  return await Promise.all(pools.map(async (pool) => {
    const ofPool = seen.filter((_, index) => jobs[index]!.pool === pool);
    const working = pool.upstreams.filter((upstream, index) => !upstream.usher && isWell(ofPool[index]));
    return {
      pool: pool.name,
      type: pool.type,
      upstreams: pool.upstreams.map((upstream, index) => diagnosisOf(upstream, ofPool[index])),
      keys: await keyFindings({ config, pool, upstream: working[0], clock }, bounds, options.timeoutMs),
    };
  }));
}

/** Where a time ends. */
interface Bounds {
  /** By `performance.now()`. */
  readonly untilMs: number;
}

/** Does the same with each of a list, a few at a time; `null` for what there was no time for. */
async function inTurns<T, R>(list: readonly T[], bounds: Bounds, work: (item: T) => Promise<R>): Promise<(R | null)[]> {
  const results: (R | null)[] = list.map(() => null);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < list.length; index = next++) {
      if (performance.now() < bounds.untilMs) results[index] = await work(list[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, list.length) }, worker));
  return results;
}

/** One upstream to look over. */
interface Job {
  readonly config: Config;
  readonly pool: PoolConfig;
  readonly upstream: UpstreamConfig;
  readonly clock: Clock;
}

/** What was seen of an upstream. */
interface Examined {
  readonly findings: readonly Finding[];
  /** `null` where it was not asked. */
  readonly answer: CheckAnswer | null;
}

async function examined({ config, pool, upstream, clock }: Job, options: DiagnoseOptions): Promise<Examined> {
  const way = await probeWay(http1Options(upstream, clock), options);
  const findings = wayFindings(way);
  if (!isReachable(way)) return { findings, answer: null };
  const safe = withSafeCheck(pool, clock);
  const answer = await askCheck({ config, pool: safe, upstream, clock, timeoutMs: options.timeoutMs });
  return { findings: [...findings, httpFinding(answer, safe)], answer };
}

function isWell(seen: Examined | null | undefined): boolean {
  return seen?.answer != null && seen.answer.result.verdict !== "fail";
}

function diagnosisOf({ id }: UpstreamConfig, seen: Examined | null | undefined): UpstreamDiagnosis {
  const text = "there was no time left for it: ask for its pool alone with --pool, or for less with --timeout";
  const findings = seen?.findings ?? [{ check: "time", state: "skip", text, remedy: null }];
  return { id, findings, clock_ahead_ms: seen?.answer?.aheadMs ?? null };
}

/** A working upstream to try keys at, if there is one. */
type KeyJob = Omit<Job, "upstream"> & { readonly upstream: UpstreamConfig | undefined };

/** Each key by itself, at one upstream that is well. */
async function keyFindings(job: KeyJob, bounds: Bounds, timeoutMs: number): Promise<Finding[]> {
  const { config, pool, upstream, clock } = job;
  const type = typeOfPool(pool, clock);
  if (pool.apiKeys.length === 0) return [];
  if (pool.keyMode === "pass") {
    const text = "`key_mode: pass`: clients bring their own, and those of the pool are not used";
    return [{ check: "keys", state: "skip", text, remedy: null }];
  }
  const answers = await inTurns(pool.apiKeys, bounds, async (key) => {
    if (upstream === undefined) return null;
    const alone = withDefaultCheck({ ...pool, apiKeys: [key], health: { ...pool.health, enabled: true } });
    return await askCheck({ config, pool: alone, upstream, clock, timeoutMs });
  });
  return answers.map((answer, index) => keyFinding(index + 1, answer, type));
}
