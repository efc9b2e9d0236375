import assert from "node:assert/strict";
import { balancerNames } from "../../lib/pool/balancer_registry.ts";
import { Pool } from "../../lib/pool/pool.ts";
import type { Outcome } from "../../lib/pool/outcome.ts";
import type { Waiting } from "../../lib/pool/response_times.ts";
import type { Upstream } from "../../lib/pool/upstream.ts";
import type { HealthState } from "../../lib/pool/upstream_health.ts";
import { healthRow, healthTable } from "./health_rows.ts";
import { seededRandom } from "../seeded_random.ts";

const STATES: readonly HealthState[] = ["unknown", "healthy", "unhealthy", "ejected", "half_open"];
const OUTCOMES: readonly Outcome[] = ["ok", "ok", "ok", "limited", "failed", "unreachable", "unreachable", "cancelled"];

interface Running {
  readonly upstream: Upstream;
  readonly waiting: Waiting;
}

/** A pool that is used at random: requests begin and end, tables arrive, reloads happen, time passes. */
class Storm {
  readonly #random: () => number;
  readonly #running: Running[] = [];
  readonly #strategy: string;
  #pool: Pool;
  #nowMs = 1_000_000;
  #version = 0;

  constructor(strategy: string, seed: number) {
    this.#strategy = strategy;
    this.#random = seededRandom(seed);
    this.#pool = this.#build();
  }

  step(): void {
    const roll = this.#random();
    if (roll < 0.45) this.#begin();
    else if (roll < 0.85) this.#end();
    else if (roll < 0.93) this.#nowMs += Math.floor(this.#random() ** 4 * 20_000);
    else if (roll < 0.98) this.#tell();
    else this.#reload();
    const inFlight = this.#pool.upstreams.reduce((sum, upstream) => sum + upstream.inFlight, 0);
    assert.ok(inFlight <= this.#running.length);
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)]!;
  }

  #build(): Pool {
    const count = 1 + Math.floor(this.#random() * 6);
    const upstreams = Array.from({ length: count }, (_, i) => {
      return { id: `u${i}`, url: `http://u${i}.test`, weight: this.#pick([0, 0.5, 1, 1, 3]) };
    });
    const panic = this.#pick(["serve-all", "fail"] as const);
    return new Pool({ name: "p", strategy: this.#strategy, upstreams, panic, random: this.#random });
  }

  #begin(): void {
    const tried = new Set(this.#pool.upstreams.filter(() => this.#random() < 0.2));
    const upstream = this.#pool.select(tried, Math.floor(this.#random() * 2 ** 32), this.#nowMs);
    if (upstream === null) {
      assert.ok(this.#pool.panicking || this.#pool.upstreams.every((one) => !this.#free(one)), "one was free");
      return;
    }
    assert.ok(upstream.weight > 0);
    assert.ok(this.#pool.panicking || upstream.circuit(this.#nowMs) !== "open", "one that is out was chosen");
    assert.ok(upstream.inFlight < upstream.inFlightLimit);
    if (tried.has(upstream)) {
      const others = this.#pool.upstreams.filter((one) => !tried.has(one) && this.#free(one));
      assert.equal(others.length, 0, "a tried one was chosen while another was free");
    }
    upstream.begin(this.#nowMs);
    this.#running.push({ upstream, waiting: upstream.expectAnswer(this.#nowMs) });
  }

  #free(upstream: Upstream): boolean {
    return upstream.weight > 0 && upstream.available(this.#nowMs);
  }

  #end(): void {
    const [ended] = this.#running.splice(Math.floor(this.#random() * this.#running.length), 1);
    if (ended === undefined) return;
    ended.waiting.settle(this.#nowMs);
    const report = { outcome: this.#pick(OUTCOMES), latencyMs: this.#random() * 500, retryAfterMs: 0 };
    ended.upstream.end(report, this.#nowMs);
  }

  #tell(): void {
    const rows = this.#pool.upstreams.map(({ id }) => {
      const rampFromMs = this.#random() < 0.3 ? this.#nowMs : 0;
      const over = { weightFactor: 0.001 + this.#random() * 200, fastMs: this.#random() * 300, rampFromMs };
      return [id, healthRow(this.#pick(STATES), over)] as const;
    });
    this.#pool.apply(healthTable(++this.#version, Object.fromEntries(rows)));
  }

  #reload(): void {
    const next = this.#build();
    next.carryOver(this.#pool, this.#nowMs);
    this.#pool = next;
  }
}

for (const strategy of balancerNames) {
  Deno.test(`Pool with ${strategy} never chooses one that is out, full or tried without need`, () => {
    for (let seed = 1; seed <= 40; seed++) {
      const storm = new Storm(strategy, seed);
      for (let step = 0; step < 400; step++) {
        try {
          storm.step();
        } catch (error) {
          throw new Error(`seed ${seed}, step ${step}`, { cause: error });
        }
      }
    }
  });
}
