import assert from "node:assert/strict";
import type { PurgeOrder } from "../../../lib/gateway/purge_scopes.ts";
import { purgeBody } from "../../../lib/gateway/purge_order.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { OrderBook, ORDERS_AT_ONCE } from "../../../lib/workers/operations/order_book.ts";
import { PeerCatchUp } from "../../../lib/workers/operations/peer_catch_up.ts";
import type { StateStore } from "../../../lib/state/state_store.ts";
import { MapStateStore } from "../../state/map_state_store.ts";
import { eventually } from "../../eventually.ts";

const ORDER: PurgeOrder = { by: "tag", value: "a", listener: null, hard: true };

const logger = createLogger({ level: "error", format: "json", sink: () => {}, now: () => 0 });

/** A peer with a book, at a URL. */
async function peer(state: StateStore | null = null) {
  const self = { book: await OrderBook.open(state, logger), asked: 0, status: 200, body: null as string | null };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url, headers }) => {
    self.asked++;
    assert.equal(headers.get("authorization"), "Bearer for-it");
    const { searchParams, pathname } = new URL(url);
    assert.equal(pathname, "/api/v1/purges");
    const { isWhole, isMore, orders, ...part } = self.book.since(
      searchParams.get("book"),
      Number(searchParams.get("after")),
    );
    const shown = orders.map((taken) => ({ ...taken, order: purgeBody(taken.order) }));
    const answer = { gateway: "usher-9", ...part, whole: isWhole, more: isMore, orders: shown };
    return new Response(self.body ?? JSON.stringify(answer), { status: self.status });
  });
  return Object.assign(self, {
    url: `http://127.0.0.1:${server.addr.port}`,
    take: async (id: string) => await self.book.take({ ...ORDER, value: id }, id, ["usher-8"]),
    [Symbol.asyncDispose]: () => server.shutdown(),
  });
}

/** A gateway that learns from peers, and what it learnt. */
function learner(urls: readonly string[], state: StateStore | null = null, everyMs = 3_600_000) {
  const [applied, lines]: [string[], string[]] = [[], []];
  const catchUp = new PeerCatchUp({
    ...{
      state,
      everyMs,
      logger: createLogger({ level: "info", format: "json", sink: (l) => lines.push(l), now: () => 0 }),
    },
    peers: () => urls.map((url) => ({ url, token: "for-it" })),
    apply: ({ id, via, order }) => {
      assert.deepEqual([via, order.value], [["usher-8", "usher-9"], id]);
      applied.push(id);
      return Promise.resolve();
    },
    distrust: () => (applied.push("all"), Promise.resolve()),
  });
  return { catchUp, applied, lines, [Symbol.asyncDispose]: () => catchUp.close() };
}

Deno.test("PeerCatchUp.start() does what a peer did since the last process, once", async () => {
  await using one = await peer();
  const state = new MapStateStore();
  await one.take("before");
  for (const expected of [["before"], [], ["later", "last"]]) {
    if (expected.length === 2) { for (const id of expected) await one.take(id); }
    await using self = learner([one.url], state);
    await self.catchUp.start();
    assert.deepEqual([self.applied, self.lines], [expected, []]);
  }
});

Deno.test("PeerCatchUp.start() reads a long book in parts", async () => {
  await using one = await peer();
  const ids = Array.from({ length: ORDERS_AT_ONCE * 2 + 1 }, (_, n) => `o${n}`);
  for (const id of ids) await one.take(id);
  await using self = learner([one.url]);
  await self.catchUp.start();
  assert.deepEqual([self.applied, one.asked], [ids, 3]);
});

Deno.test("PeerCatchUp.start() trusts nothing that is stored where a peer lost its book, and does so once", async () => {
  const state = new MapStateStore();
  await using one = await peer();
  {
    await using self = learner([one.url], state);
    await one.take("a");
    await self.catchUp.start();
  }
  one.book = await OrderBook.open(null, logger);
  await one.take("b");
  for (const expected of [["all", "b"], []]) {
    await using self = learner([one.url], state);
    await self.catchUp.start();
    assert.deepEqual(self.applied, expected);
  }
});

Deno.test("PeerCatchUp.note() asks for what did not come between two orders, and for nothing where all came", async () => {
  await using one = await peer();
  await using self = learner([one.url]);
  await self.catchUp.start();
  const asked = one.asked;
  const first = await one.take("first");
  await self.catchUp.note(first);
  await self.catchUp.note({ ...first, book: "another" });
  assert.equal(one.asked, asked);
  await one.take("lost");
  await self.catchUp.note(await one.take("third"));
  await eventually("it has asked", () => self.applied.includes("third"));
  assert.deepEqual(self.applied, ["lost", "third"]);
});

Deno.test("PeerCatchUp asks again and again: a peer that was away is made up for, and warned of once", async () => {
  await using one = await peer();
  one.status = 503;
  await using self = learner([one.url], null, 20);
  await self.catchUp.start();
  self.catchUp.begin();
  await eventually("it has asked more than once", () => one.asked > 2);
  await one.take("meanwhile");
  one.status = 200;
  await eventually("it is done", () => self.applied.length > 0);
  assert.deepEqual(self.applied, ["meanwhile"]);
  assert.equal(self.lines.filter((line) => line.includes("cannot be asked")).length, 1);
  assert.ok(self.lines.some((line) => line.includes("answers again")));
});

Deno.test("PeerCatchUp takes nothing from what is no answer of a gateway", async () => {
  await using one = await peer();
  await one.take("a");
  await using self = learner([one.url]);
  const sound = { gateway: "g", book: "b", newest: 1, whole: true, more: false };
  const bad = { number: 1, id: "x", via: [], order: { tag: "a\nb" } };
  for (const body of ["", "null", "[]", JSON.stringify({ ...sound, orders: [bad] }), `"${"x".repeat(5_000_000)}"`]) {
    one.body = body;
    await self.catchUp.start();
  }
  assert.deepEqual(self.applied, []);
  assert.ok(self.lines.some((line) => line.includes("cannot be asked")));
});
