import assert from "node:assert/strict";
import type { PurgeOrder } from "../../../lib/gateway/purge_scopes.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { MAX_ORDERS, OrderBook, ORDERS_AT_ONCE } from "../../../lib/workers/operations/order_book.ts";
import { MapStateStore } from "../../state/map_state_store.ts";

const logger = createLogger({ level: "error", format: "json", sink: () => {}, now: () => 0 });
const ORDER: PurgeOrder = { by: "tag", value: "a", listener: null, hard: true };

/** Takes `count` orders, named by their numbers. */
async function fill(book: OrderBook, count: number, prefix = "o"): Promise<void> {
  for (let n = 1; n <= count; n++) {
    await book.take({ ...ORDER, value: `${prefix}${n}` }, `${prefix}${n}`, ["usher-1"]);
    await book.done(`${prefix}${n}`);
  }
}

Deno.test("OrderBook.since() answers what came behind a number, in parts, also in the next process", async () => {
  const state = new MapStateStore();
  const first = await OrderBook.open(state, logger);
  await fill(first, ORDERS_AT_ONCE + 5);
  const { book } = first.since(null, 0);
  for (const opened of [first, await OrderBook.open(state, logger)]) {
    const part = opened.since(book, 2);
    assert.deepEqual([part.book, part.isWhole, part.isMore, part.newest], [book, true, true, ORDERS_AT_ONCE + 5]);
    assert.deepEqual(part.orders[0], { number: 3, id: "o3", via: ["usher-1"], order: { ...ORDER, value: "o3" } });
    const rest = opened.since(book, part.orders.at(-1)!.number);
    assert.deepEqual([rest.orders.length, rest.isWhole, rest.isMore], [3, true, false]);
    assert.deepEqual(opened.since(book, ORDERS_AT_ONCE + 5).orders, []);
  }
});

Deno.test("OrderBook.since() says what it cannot tell: another book, one that was cut, numbers that were lost", async () => {
  const state = new MapStateStore();
  const taken = await OrderBook.open(state, logger);
  const { book } = taken.since(null, 0);
  await fill(taken, MAX_ORDERS + 10);
  assert.equal(taken.since("other", 5).isWhole, false);
  assert.deepEqual(taken.since("other", 5).orders[0]!.number, 11);
  assert.equal(taken.since(book, 9).isWhole, false);
  assert.equal(taken.since(book, 10).isWhole, true);
  assert.equal(taken.since(book, MAX_ORDERS + 11).isWhole, false);
  const rows = await Array.fromAsync(state.list(["purge-order"]));
  assert.equal(rows.length, MAX_ORDERS);
  assert.equal((await Array.fromAsync(state.list(["purge-done"]))).length, MAX_ORDERS);
});

Deno.test("OrderBook.has() knows what is done, not what a process began before it ended", async () => {
  const state = new MapStateStore();
  const book = await OrderBook.open(state, logger);
  await fill(book, 1);
  await book.take(ORDER, "begun", []);
  assert.deepEqual([book.has("o1"), book.has("begun"), book.has("none")], [true, false, false]);
  const again = await OrderBook.open(state, logger);
  assert.deepEqual([again.has("o1"), again.has("begun")], [true, false]);
});

Deno.test("OrderBook.attach() goes on with the book of the process before, behind its last number", async () => {
  const state = new MapStateStore();
  const before = await OrderBook.open(state, logger);
  await fill(before, 3);
  const { book } = before.since(null, 0);
  const after = await OrderBook.open(null, logger);
  await fill(after, 2, "p");
  await after.attach(state);
  const part = after.since(book, 3);
  assert.deepEqual(part.orders.map(({ number, id }) => [number, id]), [[4, "p1"], [5, "p2"]]);
  assert.deepEqual([part.isWhole, after.has("o1"), after.has("p2")], [true, true, true]);
});
