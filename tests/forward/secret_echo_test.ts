import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { withoutSecret } from "../../lib/forward/secret_echo.ts";
import type { Fields } from "../../lib/http/fields.ts";
import type { UpstreamBody, UpstreamResponse } from "../../lib/upstream_client/transport.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { answered, withGateway } from "../pipeline/in_process_gateway.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiIxIiwic2NvcGVzIjpbImFwaV9yZWFkIl19.c2lnbmF0dXJl";

function bodyOf(chunks: readonly Uint8Array[]): UpstreamBody {
  const left = chunks.map((chunk) => chunk.slice());
  return {
    lengthBytes: null,
    read: () => Promise.resolve(left.shift() ?? null),
    readAll: () => Promise.resolve(new Uint8Array(Buffer.concat(left.splice(0)))),
    cancel: () => {},
  };
}

function response(fields: Fields, chunks: readonly Uint8Array[] = []): UpstreamResponse {
  return { status: 200, fields, body: bodyOf(chunks), receivedAtMs: 0 };
}

/** What is read of a body that came in these chunks. */
async function read(chunks: readonly Uint8Array[], secret = KEY): Promise<string> {
  const { body } = withoutSecret(response([], chunks), secret, 1 << 20);
  const parts: Uint8Array[] = [];
  for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) parts.push(chunk);
  return new TextDecoder().decode(Buffer.concat(parts));
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("withoutSecret() takes the text out of fields, and drops those that spell it in another way", () => {
  const escaped = [...KEY].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join("");
  const fields: Fields = [
    ["location", `/3/movie/1?api_key=${KEY}&x=%2c`],
    ["link", `<https://one.example/?a=${KEY.toUpperCase()}>; rel=next, </b?api_key=${KEY}>; rel=prev`],
    ["content-location", `/3?api_key=${escaped}`],
    ["refresh", `0; url=/3?api_key=${escaped.replaceAll("%", "%25")}`],
    ["etag", '"1"'],
    ["x-odd", "100%"],
  ];
  assert.deepEqual(withoutSecret(response(fields), KEY, 1 << 20).fields, [
    ["location", "/3/movie/1?api_key=&x=%2c"],
    ["link", "<https://one.example/?a=>; rel=next, </b?api_key=>; rel=prev"],
    ["etag", '"1"'],
    ["x-odd", "100%"],
  ]);
});

Deno.test("withoutSecret() puts stars in the text's place however the body is cut", async () => {
  const text = `{"a":"${KEY}","b":"${KEY.slice(0, 20)}${KEY}${KEY}","c":"0123"}${KEY.slice(0, 5)}`;
  const stars = "*".repeat(KEY.length);
  const due = `{"a":"${stars}","b":"${KEY.slice(0, 20)}${stars}${stars}","c":"0123"}${KEY.slice(0, 5)}`;
  const whole = bytes(text);
  for (let size = 1; size <= whole.byteLength; size++) {
    const chunks = [];
    for (let at = 0; at < whole.byteLength; at += size) chunks.push(whole.subarray(at, at + size));
    const found = await read(chunks);
    assert.equal(found, due, `chunks of ${size}`);
  }
});

Deno.test("withoutSecret() looks into what comes in gzip, and into what is read whole", async () => {
  const coded = withoutSecret(
    response([["content-encoding", "gzip"], ["content-length", "9"]], [gzipSync(`{"key":"${KEY}"}`)]),
    KEY,
    1 << 20,
  );
  assert.deepEqual(coded.fields, []);
  const whole = new TextDecoder().decode(await coded.body.readAll(1 << 20));
  assert.equal(whole, `{"key":"${"*".repeat(KEY.length)}"}`);
});

Deno.test("withoutSecret() takes no content in a coding that it cannot look into, and nobody asked for", () => {
  for (const coding of ["compress", "gzip, br"]) {
    const coded = response([["content-encoding", coding]], [bytes(KEY)]);
    let cancels = 0;
    const body = { ...coded.body, cancel: () => void cancels++ };
    assert.throws(() => withoutSecret({ ...coded, body }, KEY, 1 << 20), { kind: "protocol" }, coding);
    assert.equal(cancels, 1);
    const empty = { ...coded, body: { ...coded.body, lengthBytes: 0 } };
    assert.deepEqual(withoutSecret(empty, KEY, 1 << 20).fields, coded.fields, "as in an answer to HEAD");
  }
  const plain: Fields = [["content-encoding", "identity"]];
  assert.deepEqual(withoutSecret(response(plain), KEY, 1 << 20).fields, plain);
});

/** A TMDB gateway over an origin that repeats all that it is asked, with a status that the path gives. */
async function withHostile(
  key: string,
  run: (ask: (target: string, init?: RequestInit) => ReturnType<typeof answered>) => Promise<void>,
) {
  const origin = await startScriptedOrigin((exchange) => {
    const { target, fields } = exchange.head;
    const status = Number(/status=(\d+)/.exec(target)?.[1] ?? 200);
    const own = fields.find(([name]) => name === "authorization")?.[1] ?? "";
    const body = JSON.stringify({ success: status < 300, status_message: `You asked ${target} with ${own}` });
    const accepts = fields.find(([name]) => name === "accept-encoding")?.[1] ?? "";
    const isCoded = accepts.includes("gzip");
    exchange.reply({
      status,
      fields: [
        ["content-type", "application/json"],
        ["location", `https://one.example${target}`],
        ["content-location", target],
        ["link", `<${target}>; rel=canonical`],
        ["x-debug", `${target} ${own}`],
        ...(isCoded ? [["content-encoding", "gzip"] as [string, string]] : []),
      ],
      body: isCoded ? gzipSync(body) : body,
    });
  });
  try {
    await withGateway({
      pools: {
        p: { type: "tmdb-api", health: false, api_keys: [key], retry: { attempts: 1 }, upstreams: [origin.url] },
      },
      listeners: [{ name: "l", prefix: "/3", pool: "p" }],
    }, ({ ask }) => run(ask));
    assert.deepEqual(origin.failures, []);
  } finally {
    await origin.close();
  }
}

Deno.test("no client learns the upstream's key from an origin that repeats it", async () => {
  for (const key of [KEY, TOKEN]) {
    await withHostile(key, async (ask) => {
      const requests: [string, RequestInit?][] = [
        ...[200, 301, 302, 400, 401, 404, 422, 500].map((status): [string] => [`/3/movie/1?status=${status}`]),
        ["/3/movie/1?status=200"],
        ["/3/account/1?session_id=s&status=200"],
        ["/3/account/1?session_id=s&status=401", { headers: { "accept-encoding": "gzip, br" } }],
        ["/3/movie/1/rating?session_id=s&status=400", { method: "POST", body: "{}" }],
        ["/3/movie/2?status=404", { method: "HEAD" }],
      ];
      for (const [target, init] of requests) {
        const answer = await ask(target, init);
        const all = JSON.stringify([...answer.headers]) + answer.text;
        assert.ok(!all.includes(key), `${target}: ${all}`);
        if (init?.method !== "HEAD" && answer.status < 500) assert.match(answer.text, /\*{32}/, target);
      }
    });
  }
});
