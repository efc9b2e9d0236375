import assert from "node:assert/strict";
import { type ScriptedHandler, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { startPoolGateway } from "./pool_gateway.ts";

/** Workers that hold the limits together. */
const WORKERS = 8;

/** Requests that a rate lets through at once after a pause, at most. */
const SAVED_UP = 10;

/** Requests at the origin: when the last came, and how many were there at a time. */
class Watched {
  count = 0;
  lastMs = 0;
  most = 0;
  #present = 0;
  readonly #full = Promise.withResolvers<void>();

  /** Holds requests until as many are there as may be, and each for a while from then on. */
  handler(atOnce: number): ScriptedHandler {
    return async (exchange) => {
      this.count++;
      this.lastMs = performance.now();
      this.most = Math.max(this.most, ++this.#present);
      if (this.#present === atOnce) this.#full.resolve();
      await this.#full.promise;
      await exchange.wait(20);
      this.#present--;
      await exchange.reply({ body: "x" });
    };
  }
}

/** Asks on connections of their own, so that the kernel spreads them over the workers; answers by status. */
async function flood(url: string, options: { clients: number; forMs: number }): Promise<Map<number, number>> {
  const untilMs = performance.now() + options.forMs;
  const statuses = new Map<number, number>();
  let turn = 0;
  await Promise.all(Array.from({ length: options.clients }, async () => {
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 1 });
    while (performance.now() < untilMs) {
      const response = await fetch(`${url}/${turn++}`, { client });
      await response.body?.cancel();
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    }
  }));
  return statuses;
}

Deno.test("an upstream gets no more requests per second than max_rps, over eight workers", async () => {
  await using stack = new AsyncDisposableStack();
  const watched = new Watched();
  const origin = stack.adopt(await startScriptedOrigin(watched.handler(1)), (running) => running.close());
  const pool = { health: false, upstreams: [{ url: origin.url, max_rps: 100 }] };
  const gateway = stack.adopt(
    await startPoolGateway(pool, { server: { workers: WORKERS }, listener: { cache: { mode: "off" } } }),
    (running) => running.close(),
  );
  const startedMs = performance.now();
  const statuses = await flood(gateway.url, { clients: 24, forMs: 3_000 });
  assert.deepEqual([...statuses.keys()], [200], "those over the limit wait their turn");
  // By the time that it really took: on a busy machine they come late, and never early.
  const allowed = 100 * (watched.lastMs - startedMs) / 1_000;
  assert.ok(watched.count < allowed + SAVED_UP + WORKERS, `${watched.count} requests, ${allowed} are allowed`);
});

Deno.test("an upstream gets no more requests at a time than max_in_flight, over eight workers", async () => {
  await using stack = new AsyncDisposableStack();
  const watched = new Watched();
  const origin = stack.adopt(await startScriptedOrigin(watched.handler(20)), (running) => running.close());
  const pool = { health: false, upstreams: [{ url: origin.url, max_in_flight: 20 }] };
  const gateway = stack.adopt(
    await startPoolGateway(pool, { server: { workers: WORKERS }, listener: { cache: { mode: "off" } } }),
    (running) => running.close(),
  );
  const statuses = await flood(gateway.url, { clients: 48, forMs: 2_000 });
  assert.deepEqual([...statuses.keys()], [200]);
  // Each worker may choose at the same instant as the others.
  assert.ok(watched.most >= 20 && watched.most < 20 + WORKERS, `${watched.most} at a time, 20 are allowed`);
});

Deno.test("a listener takes no more than max_in_flight and its queue, over eight workers; the rest gets 503 with Retry-After", async () => {
  await using stack = new AsyncDisposableStack();
  const watched = new Watched();
  const origin = stack.adopt(await startScriptedOrigin(watched.handler(10)), (running) => running.close());
  const gateway = stack.adopt(
    await startPoolGateway({ health: false, upstreams: [origin.url] }, {
      server: { workers: WORKERS },
      listener: { cache: { mode: "off" }, max_in_flight: 10, queue: { size: 100, timeout: "10m" } },
    }),
    (running) => running.close(),
  );
  const statuses = await flood(gateway.url, { clients: 40, forMs: 2_000 });
  assert.deepEqual([...statuses.keys()], [200]);
  assert.equal(watched.most, 10);
});

Deno.test("a listener's queue is bounded in size and time", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startScriptedOrigin((exchange) => exchange.hang()), (running) => running.close());
  const gateway = stack.adopt(
    await startPoolGateway({ health: false, upstreams: [origin.url] }, {
      server: { workers: 1 },
      listener: { cache: { mode: "off" }, max_in_flight: 1, queue: { size: 1, timeout: "300ms" } },
    }),
    (running) => running.close(),
  );
  const leaving = new AbortController();
  const first = fetch(`${gateway.url}/1`, { signal: leaving.signal }).catch(() => null);
  await eventually("the one place is taken", () => origin.heads.length === 1);
  // The first of them waits as long as it may; a second one at the same time finds the queue full.
  const refused = await Promise.all([2, 3].map(async (n) => {
    const response = await fetch(`${gateway.url}/${n}`);
    return { response, text: await response.text() };
  }));
  leaving.abort();
  await first;
  assert.equal(origin.heads.length, 1);
  for (const { response, text } of refused) {
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("retry-after"), "1");
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.match(text, /"overloaded"/);
  }
});

Deno.test("a client gets no more than its rate limit, over eight workers, and only its own", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(
    await startScriptedOrigin((exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "x" })),
    (running) => running.close(),
  );
  const gateway = stack.adopt(
    await startPoolGateway({ health: false, upstreams: [origin.url] }, {
      server: { workers: WORKERS },
      listener: { rate_limit: { requests: 100, per: "1s", burst: 50, by: "header", header: "x-client" } },
    }),
    (running) => running.close(),
  );
  const lengthMs = 3_000;
  const allowed = await Promise.all(["one", "two"].map((name) => floodAs(gateway.url, name, lengthMs)));
  for (const { served, lastMs } of allowed) {
    // By the time that it really took: a busy machine answers the last requests late.
    const expected = 50 + 100 * lastMs / 1_000;
    assert.ok(served >= 50 && served <= expected + 1, `${served}, ${expected} are allowed`);
  }
});

/** Asks as one client on several connections; how many requests were served, and when the last was. */
async function floodAs(url: string, name: string, forMs: number): Promise<{ served: number; lastMs: number }> {
  const startMs = performance.now();
  const untilMs = startMs + forMs;
  let served = 0;
  let lastMs = 0;
  await Promise.all(Array.from({ length: 12 }, async () => {
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 1 });
    // On a busy machine longer, until what is allowed at once is spent.
    while (performance.now() < untilMs || served < 50) {
      const response = await fetch(`${url}/same`, { client, headers: { "x-client": name } });
      await response.body?.cancel();
      if (response.status === 200) {
        served++;
        lastMs = performance.now() - startMs;
      } else await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }));
  return { served, lastMs };
}
