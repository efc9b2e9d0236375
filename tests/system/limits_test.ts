import assert from "node:assert/strict";
import { type ScriptedHandler, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { startPoolGateway } from "./pool_gateway.ts";

/** Workers that hold the limits together. */
const WORKERS = 8;

/** How limits may be missed by: one in twenty. */
const TOLERANCE = 0.05;

/** Requests at the origin: when each came, and how many were there at a time. */
class Watched {
  readonly times: number[] = [];
  most = 0;
  #present = 0;

  /** Holds each request for a while. */
  handler(holdMs: number): ScriptedHandler {
    return async (exchange) => {
      this.times.push(performance.now());
      this.most = Math.max(this.most, ++this.#present);
      await exchange.wait(holdMs);
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
  const statuses = await flood(gateway.url, { clients: 24, forMs: 4_000 });
  assert.deepEqual([...statuses.keys()], [200], "those over the limit wait their turn");
  const firstMs = watched.times[0]! + 500;
  const inWindow = watched.times.filter((timeMs) => timeMs >= firstMs && timeMs < firstMs + 3_000).length;
  assert.ok(Math.abs(inWindow - 300) <= 300 * TOLERANCE, `${inWindow} in 3 s, 300 are allowed`);
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
  assert.ok(watched.most >= 18 && watched.most <= 20 * (1 + TOLERANCE), `${watched.most} at a time, 20 are allowed`);
});

Deno.test("a listener takes no more than max_in_flight and its queue, over eight workers; the rest gets 503 with Retry-After", async () => {
  await using stack = new AsyncDisposableStack();
  const watched = new Watched();
  const origin = stack.adopt(await startScriptedOrigin(watched.handler(20)), (running) => running.close());
  const gateway = stack.adopt(
    await startPoolGateway({ health: false, upstreams: [origin.url] }, {
      server: { workers: WORKERS },
      listener: { cache: { mode: "off" }, max_in_flight: 10, queue: { size: 100, timeout: "5s" } },
    }),
    (running) => running.close(),
  );
  const statuses = await flood(gateway.url, { clients: 40, forMs: 2_000 });
  assert.deepEqual([...statuses.keys()], [200]);
  assert.ok(watched.most >= 9 && watched.most <= 10, `${watched.most} at a time, 10 are allowed`);
});

Deno.test("a listener's queue is bounded in size and time", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startScriptedOrigin((exchange) => exchange.hang()), (running) => running.close());
  const gateway = stack.adopt(
    await startPoolGateway({ health: false, upstreams: [origin.url], timeouts: { first_byte: "3s", total: "3s" } }, {
      server: { workers: 1 },
      listener: { cache: { mode: "off" }, max_in_flight: 1, queue: { size: 1, timeout: "300ms" } },
    }),
    (running) => running.close(),
  );
  const startedAtMs = performance.now();
  const ends = await Promise.all([1, 2, 3].map(async (n) => {
    const response = await fetch(`${gateway.url}/${n}`);
    const text = await response.text();
    return { status: response.status, atMs: performance.now() - startedAtMs, response, text };
  }));
  const refused = ends.filter(({ status }) => status === 503).sort((a, b) => a.atMs - b.atMs);
  assert.equal(refused.length, 2);
  assert.ok(refused[0]!.atMs < 250, "the queue was full");
  assert.ok(refused[1]!.atMs >= 290 && refused[1]!.atMs < 1_500, "it waited as long as it may");
  for (const { response, text } of refused) {
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
    assert.ok(Math.abs(served - expected) <= expected * TOLERANCE, `${served}, ${expected} are allowed`);
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
    while (performance.now() < untilMs) {
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
