import assert from "node:assert/strict";
import { Evictable } from "../../../lib/cache/memory/_eviction_order.ts";
import { OrderTrial } from "../../../lib/cache/memory/_order_trial.ts";

const HELD_BYTES = 16 * 100_000;

/** Whether recency is found better where each key is asked for twice, soon after one another, and then never again. */
function decidedOn(largeEvery: number): boolean {
  const trial = new OrderTrial(() => 0.5);
  let isRecency = false;
  const ask = (hash: number, bytes: number) => {
    isRecency = trial.isRecencyBetter(new Evictable(bytes, hash), HELD_BYTES, isRecency);
  };
  for (let n = 0; n < 20_000; n++) {
    ask(n, 1000);
    if (n >= 40) ask(n - 40, 1000);
    if (n % largeEvery === 0) ask(1_000_000 + n, HELD_BYTES / 8);
  }
  return isRecency;
}

Deno.test("OrderTrial finds that recency is better where what is asked for again is what came lately", () => {
  assert.equal(decidedOn(Infinity), true);
});

Deno.test("OrderTrial decides the same where now and then comes an entry larger than its models", () => {
  assert.equal(decidedOn(20), true);
});
