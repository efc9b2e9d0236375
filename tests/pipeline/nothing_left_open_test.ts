import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { fieldValue } from "../../lib/http/fields.ts";
import type { ScriptedExchange } from "../origins/scripted_origin.ts";
import { type GatewayParts, type InProcessGateway, withOrigin } from "./in_process_gateway.ts";

const SMALL_BYTES = 2_000;
const LARGE_BYTES = 400_000;
/** Fields whose values have no comma here: one that has stands there twice. */
const ONCE: readonly string[] = ["x-request-id", "age", "etag", "content-length", "content-type", "content-range"];

type Pick = <T>(list: readonly T[]) => T;

/** Draws from lists, the same things for the same seed. */
function picker(seed: number): Pick {
  let state = seed;
  return (list) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return list[Math.floor(state / 2 ** 32 * list.length)]!;
  };
}

/** An origin whose targets say what they are: `/size/framing/cache/type`; how it behaves is drawn. */
function moody(pick: Pick) {
  return async (exchange: ScriptedExchange) => {
    const { method, target, fields } = exchange.head;
    if (method === "POST") await exchange.body();
    const mood = pick(["good", "good", "good", "good", "good", "slow", "slow", "cut", "silent", "gone", "failing"]);
    if (mood === "gone") return exchange.reset();
    if (mood === "failing") return await exchange.reply({ status: 500 });
    if (fieldValue(fields, "if-none-match") !== null && pick([true, false])) {
      return await exchange.write('HTTP/1.1 304 Not Modified\r\netag: "1"\r\n\r\n');
    }
    const { head, body } = response(target, fieldValue(fields, "range") !== null);
    await exchange.write(head);
    if (method === "HEAD") return;
    for (const half of [body.slice(0, body.length / 2), body.slice(body.length / 2)]) {
      await exchange.write(target.includes("/chunked/") ? `${half.length.toString(16)}\r\n${half}\r\n` : half);
      if (mood === "cut") return exchange.reset();
      if (mood !== "good") await exchange.wait(mood === "slow" ? 10 : 50);
      if (mood === "silent") return exchange.reset();
    }
    if (target.includes("/chunked/")) await exchange.write("0\r\n\r\n");
    if (target.includes("/close/")) exchange.end();
  };
}

function response(target: string, isRange: boolean): { head: string; body: string } {
  const [, , framing, cache, type] = target.split(/[/?]/);
  const lengthBytes = lengthOf(target);
  const isPart = isRange && framing === "length";
  const whole = `{"a":"${"x".repeat(lengthBytes - 8)}"}`;
  const body = isPart ? whole.slice(0, 100) : whole;
  const head = [
    isPart ? "HTTP/1.1 206 Partial Content" : "HTTP/1.1 200 OK",
    'etag: "1"',
    "x-own: alice",
    `content-type: ${type === "text" ? "text/plain" : "application/json"}`,
    cache === "no"
      ? "cache-control: no-store"
      : 'cache-control: max-age=1, stale-while-revalidate=3, stale-if-error=20, private="x-own"',
    ...(isPart ? [`content-range: bytes 0-99/${lengthBytes}`] : []),
    framing === "length" ? `content-length: ${body.length}` : framing === "chunked" ? "transfer-encoding: chunked" : "",
  ];
  return { head: head.filter((line) => line !== "").join("\r\n") + "\r\n\r\n", body };
}

function lengthOf(target: string): number {
  return target.startsWith("/large") ? LARGE_BYTES : SMALL_BYTES;
}

function drawnRequest(pick: Pick): { method: string; target: string; fields: Fields } {
  const parts = [["small", "large"], ["length", "chunked", "close"], ["store", "store", "no"], ["text", "json"]];
  const fields: Fields = [
    ["range", pick(["bytes=0-9", "bytes=5-50", "bytes=100000-", "bytes=-5", "bytes=0-1,500-501"])],
    ["if-none-match", pick(['"1"', '"1-gzip"', "*"])],
    ["if-match", pick(['"1"', '"2"'])],
    ["accept-encoding", "gzip"],
    ["authorization", "Bearer x"],
  ];
  return {
    method: pick(["GET", "GET", "GET", "HEAD", "POST"]),
    target: `/${parts.map((part) => pick(part)).join("/")}?${pick(["", "1"])}`,
    fields: fields.filter(() => pick([true, false, false, false])),
  };
}

/** What holds of every response, whatever was asked and however the origin felt. */
async function check({ method, target }: { method: string; target: string }, { status, headers, body }: Response) {
  for (const name of ONCE) assert.ok(!headers.get(name)?.includes(","), `${target}: ${name}: ${headers.get(name)}`);
  const cacheStatus = headers.get("cache-status")!;
  if (/; (?:hit|collapsed)\b/.test(cacheStatus)) assert.equal(headers.get("x-own"), null, `${target}: ${cacheStatus}`);
  const text = await new Response(body).text().catch(() => null);
  // A response that breaks off is one that the client can tell.
  if (text === null) return;
  if (method === "HEAD" || status === 304) return assert.equal(text, "");
  if (status === 200) assert.equal(JSON.parse(text).a.length, lengthOf(target) - 8, target);
}

/** Sends drawn requests all at once, of which some do not wait for the end; answers how many did. */
async function burst(url: string, pick: Pick): Promise<number> {
  const waits = await Promise.all(Array.from({ length: 40 }, async () => {
    const { method, target, fields } = drawnRequest(pick);
    const client = new AbortController();
    const { signal } = client;
    const init = { method, headers: fields, body: method === "POST" ? "abcd" : null };
    const leavesAfterMs = pick([null, null, null, 0, 3, 10, 30]);
    if (leavesAfterMs === null) {
      await check({ method, target }, await fetch(url + target, init));
      return true;
    }
    const timer = setTimeout(() => client.abort(), leavesAfterMs);
    await fetch(url + target, { ...init, signal }).then((response) => response.bytes()).catch(() => {});
    clearTimeout(timer);
    return false;
  }));
  return waits.filter(Boolean).length;
}

/** After the gateway itself says that it is at rest: its limits have all their places again, and each request was told once. */
function checkRest({ gateway, access }: InProcessGateway, answered: number): void {
  const { admission, pool: { retries } } = gateway.snapshot.tenants[0]!;
  assert.deepEqual([admission!.inFlight, admission!.waiting, retries.retrying, retries.waiting], [0, 0, 0, 0]);
  // Of as many retries as requests are under way, but at least one.
  assert.equal(retries.limit, 1);
  const { requests } = gateway.counts.listeners["l"]!;
  assert.equal(access().length, requests);
  assert.ok(requests >= answered);
}

const overrides = [{ path: "/**", merge: { b: 2 } }];
const kinds: Readonly<Record<string, Partial<GatewayParts> & { listener?: Readonly<Record<string, unknown>> }>> = {
  "all is kept": { listener: { cache: { compress: true } } },
  "nobody fills": { cache: { background_fill: false } },
  "documents are changed": {
    cache: { background_fill: false, max_entry: "300KiB" },
    listener: { overrides, cors: {}, cache: { range: "fetch-full" } },
  },
  "there is no room": {
    cache: { fill_memory: "1MiB", max_entry: "500KiB" },
    listener: { max_in_flight: 6, queue: { size: 10 } },
  },
  "nothing is kept": { listener: { overrides, cache: { mode: "off" } } },
};

for (const [kind, { listener, ...parts }] of Object.entries(kinds)) {
  Deno.test(`everything comes to rest, whoever leaves and whatever breaks, where ${kind}`, () => {
    const pick = picker(kind.length);
    return withOrigin(moody(pick), async (gateway) => {
      const url = await gateway.serve();
      let answered = 0;
      for (let round = 0; round < 3; round++) {
        answered += await burst(url, pick);
        gateway.clock.advance(pick([500, 1_500, 3_000, 30_000]));
      }
      await gateway.idle();
      checkRest(gateway, answered);
    }, {
      ...parts,
      listeners: [{ name: "l", pool: "p", max_in_flight: 200, ...listener }],
      pool: { retry: { attempts: 2, budget: "100%", budget_floor: 1 } },
    });
  });
}
