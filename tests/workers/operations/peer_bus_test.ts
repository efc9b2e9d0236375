import assert from "node:assert/strict";
import { purgeOrder } from "../../../lib/gateway/purge_order.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import {
  PeerBus,
  PURGE_ORDER_FIELD,
  PURGE_VIA_FIELD,
  type PurgePeer,
  readMark,
  readVia,
} from "../../../lib/workers/operations/peer_bus.ts";
import type { PurgeOrder } from "../../../lib/gateway/purge_scopes.ts";

const ORDER: PurgeOrder = { by: "tag", value: "movie:550", listener: "api", hard: true };

const MARK = { book: "f00d", number: 7, id: "ab-c" };

/** A bus to these peers, and what it logged. */
function busTo(peers: readonly PurgePeer[], timeoutMs?: number) {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", format: "json", sink: (line) => lines.push(line), now: () => 0 });
  return { bus: new PeerBus({ self: "usher-2", peers: () => peers, logger, timeoutMs }), lines };
}

/** A peer that writes down what it is asked and answers with a status; `null` never answers. */
function peer(status: number | null, fields: Record<string, string> = {}) {
  const asked: Record<"path" | "token" | "via" | "mark" | "body", unknown>[] = [];
  const ending = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, signal: ending.signal, onListen() {} },
    async (request) => {
      const { headers } = request;
      const { pathname } = new URL(request.url);
      const body = await request.json();
      const [via, mark] = [headers.get(PURGE_VIA_FIELD), headers.get(PURGE_ORDER_FIELD)];
      asked.push({ path: pathname, token: headers.get("authorization"), via, mark, body });
      if (status === null) return await new Promise<Response>(() => {});
      return new Response("{}", { status, headers: fields });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    asked,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await server.finished;
    },
  };
}

Deno.test("PeerBus.purge() gives each peer its own credential and nobody else's", async () => {
  await using one = peer(200);
  await using two = peer(200);
  const peers = [{ url: one.url, token: "for-one" }, { url: `${two.url}/admin`, token: null }];
  const answers = await busTo(peers).bus.purge(ORDER, ["usher-1"], MARK);
  assert.deepEqual(answers.map(({ ok }) => ok), [true, true]);
  const told = {
    via: "usher-1, usher-2",
    mark: "f00d 7 ab-c",
    body: { tag: "movie:550", listener: "api", hard: true },
  };
  assert.deepEqual(one.asked, [{ path: "/purge", token: "Bearer for-one", ...told }]);
  assert.deepEqual(two.asked, [{ path: "/admin/purge", token: null, ...told }]);
});

Deno.test("PeerBus.purge() says why a peer did not purge, follows no redirect and does not wait for ever", async () => {
  await using elsewhere = peer(200);
  await using moved = peer(307, { location: `${elsewhere.url}/purge` });
  await using closed = peer(401);
  await using silent = peer(null);
  const peers = [...[moved, closed, silent].map(({ url }) => url), "http://127.0.0.1:9"].map((url) => ({
    url,
    token: "t",
  }));
  const { bus, lines } = busTo(peers, 150);
  const answers = await bus.purge(ORDER, [], MARK);
  assert.deepEqual(answers.map(({ problem }) => problem), [
    "status 307",
    "status 401",
    "no answer within 150 ms",
    "cannot be reached",
  ]);
  assert.equal(elsewhere.asked.length, 0);
  assert.equal(lines.filter((line) => line.includes("A peer did not purge")).length, 4);
});

Deno.test("PeerBus.purge() writes every order so that it is read as the same", async () => {
  await using server = peer(200);
  const orders: PurgeOrder[] = [
    ORDER,
    { by: "url", value: "/a?b", listener: null, hard: false },
    { by: "prefix", value: "/a", listener: null, hard: true },
    { by: "glob", value: "/a/**", listener: "l", hard: true },
    { by: "all", value: "", listener: null, hard: true },
    { by: "all", value: "", listener: "l", hard: false },
  ];
  const { bus } = busTo([{ url: server.url, token: null }]);
  for (const order of orders) await bus.purge(order, ["x"], MARK);
  assert.deepEqual(server.asked.map(({ body }) => purgeOrder.parse(body)), orders);
});

Deno.test("PeerBus.hasSeen() knows what came through this gateway", () => {
  const { bus } = busTo([]);
  assert.deepEqual([[], ["usher-1"], ["usher-1", "usher-2"]].map((via) => bus.hasSeen(via)), [false, false, true]);
});

Deno.test("readVia() takes a short list of ids and nothing else", () => {
  assert.deepEqual(readVia("usher-1,usher-2"), ["usher-1", "usher-2"]);
  assert.deepEqual(readVia(null), []);
  for (const value of ["", "a b", "a,,b", "x".repeat(65), Array(17).fill("a").join()]) {
    assert.equal(readVia(value), null);
  }
});

Deno.test("readMark() takes the place of an order in a book and nothing else", () => {
  assert.deepEqual(readMark("f00d 7 ab-c"), MARK);
  for (const value of [null, "", "f00d 7", "f00d -7 ab", "f00d 7 ab c", `${"x".repeat(65)} 7 ab`, "f00d 1e9 ab"]) {
    assert.equal(readMark(value), null);
  }
});
