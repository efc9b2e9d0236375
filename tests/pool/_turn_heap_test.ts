import assert from "node:assert/strict";
import { Turn, TurnHeap } from "../../lib/pool/_turn_heap.ts";
import { upstreamsOf } from "./balancer_suite.ts";
import { seededRandom } from "../seeded_random.ts";

Deno.test("TurnHeap has the earliest turn first, whatever changes", () => {
  const random = seededRandom(2);
  const heap = new TurnHeap((a, b) => a.dueAt < b.dueAt);
  const turns = upstreamsOf(Array.from({ length: 37 }, () => 1)).map((upstream) => new Turn(upstream, random()));
  heap.fill(turns.slice());
  for (let i = 0; i < 5_000; i++) {
    const turn = turns[Math.floor(random() * turns.length)]!;
    turn.dueAt = random();
    heap.moved(turn);
    assert.equal(heap.first!.dueAt, Math.min(...turns.map(({ dueAt }) => dueAt)));
  }
  assert.equal(new Set(heap.turns).size, 37);
});

Deno.test("TurnHeap.moved() takes no notice of a turn that is not in it any more", () => {
  const heap = new TurnHeap((a, b) => a.dueAt < b.dueAt);
  const [a, b] = upstreamsOf([1, 1]).map((upstream, i) => new Turn(upstream, i));
  heap.fill([a!]);
  heap.fill([b!]);
  a!.dueAt = -5;
  heap.moved(a!);
  assert.deepEqual(heap.turns, [b]);
});
