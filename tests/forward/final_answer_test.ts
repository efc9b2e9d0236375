import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { plainParts, withGateway, withOrigin, withOrigins } from "../pipeline/in_process_gateway.ts";

const ok: ScriptedHandler = (exchange) => exchange.reply({ body: "good" });
const fails = (status: number): ScriptedHandler => (exchange) => exchange.reply({ status, body: `bad ${status}` });
const CLOSED = "http://127.0.0.1:1";

Deno.test("askUpstreams() passes on the last answer as it is", () =>
  withOrigins(
    [fails(500), fails(503), ok],
    (first, second, third) =>
      withGateway(
        plainParts([first!.url, second!.url, third!.url], { pool: { retry: { attempts: 2 } } }),
        async ({ ask, access }) => {
          const answer = await ask("/a");
          assert.equal(answer.status, 503);
          assert.equal(answer.text, "bad 503");
          assert.equal(third!.heads.length, 0);
          assert.equal(access()[0]!["tries"], 2);
          assert.equal(access()[0]!["upstream"], second!.url);
        },
      ),
  ));

Deno.test("askUpstreams() takes content that the pool does not carry for a failed try, and never passes it on", () =>
  withOrigins(
    [(exchange) => exchange.reply({ fields: [["content-type", "text/html"]], body: "<h1>blocked</h1>" })],
    (page) =>
      withGateway(
        plainParts([page!.url], { pool: { content_types: { allow: ["application/json"] } } }),
        async ({ ask, gateway }) => {
          const answer = await ask("/a");
          assert.equal(answer.status, 502);
          assert.equal(
            answer.headers.get("proxy-status"),
            'usher; error=http_protocol_error; details="upstream_wrong_content"',
          );
          assert.ok(!answer.text.includes("blocked"));
          assert.deepEqual({ ...gateway.counts.upstreams["p"]![page!.url]!.outcomes }, { failed: 1 });
        },
      ),
  ));

Deno.test("askUpstreams() holds nothing against an upstream that sends the type which the client's Accept names", () =>
  withOrigins(
    [(exchange) => exchange.reply({ fields: [["content-type", "text/html; charset=utf-8"]], body: "<h1>page</h1>" })],
    (page) =>
      withGateway(
        plainParts([page!.url], { pool: { content_types: { allow: ["application/json"] } } }),
        async ({ ask, gateway }) => {
          const outcomes = () => ({ ...gateway.counts.upstreams["p"]![page!.url]!.outcomes });
          const naming = ["text/html", "text/html;level=1;q=0.5", "application/json;q=0.1, TEXT/HTML ;q=0.9,*/*;q=0.8"];
          for (const accept of naming) {
            const answer = await ask(`/${accept.length}`, { headers: { accept } });
            assert.equal(answer.status, 502);
            assert.match(answer.text, /Accept asked for it/);
          }
          assert.deepEqual(outcomes(), { ok: 3 });
          for (const accept of ["*/*", "text/*", "text/html;q=0", "text/htm"]) {
            await ask(`/${accept}`, { headers: { accept } });
          }
          assert.deepEqual(outcomes(), { ok: 3, failed: 4 });
        },
      ),
  ));

Deno.test("askUpstreams() answers 502 for an answer that is no HTTP", () =>
  withOrigin(
    (exchange) => exchange.write("SMTP ready\r\n\r\n").then(() => exchange.end()),
    async ({ ask }) => assert.equal((await ask("/a")).status, 502),
    { pool: { retry: { attempts: 1 } } },
  ));

Deno.test("askUpstreams() answers 503 where no upstream may be used", () =>
  withGateway(plainParts([CLOSED]), async ({ ask, gateway }) => {
    const { pool } = gateway.snapshot.pools[0]!;
    pool.select = () => null;
    const answer = await ask("/a");
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get("retry-after"), "5");
    assert.match(answer.text, /No upstream of pool/);
  }));

const KEY = "0123456789abcdef0123456789abcdef";
const LIMITED_BODY =
  '{"success":false,"status_code":25,"status_message":"Your request count is over the allowed limit."}';

/** What an upstream says of when to come back, and what a client is told. */
const PAUSES: ReadonlyArray<readonly [retryAfter: string | null, seconds: string]> = [
  [null, "1"],
  ["0", "1"],
  ["-5", "1"],
  ["-0", "1"],
  ["soon", "1"],
  ["", "1"],
  ["1.5", "1"],
  ["1e3", "1"],
  ["0x10", "1"],
  ["5 seconds", "1"],
  ["NaN", "1"],
  ["0, 0", "1"],
  ["Thu, 01 Jan 1970 00:00:00 GMT", "1"],
  ["Sat, 30 Feb 2030 00:00:00 GMT", "1"],
  ["2030-01-01T00:00:00Z", "1"],
  ["1", "1"],
  [" 7 ", "7"],
  ["300", "300"],
  ["301", "300"],
  ["99999999999999999999", "300"],
  ["9999999999", "300"],
  ["Sun, 01 Jan 2096 00:00:00 GMT", "300"],
];

/** A pool of TMDB's API, another of its images, and a general one, over one origin. */
function limitedParts(url: string) {
  const keyed = { type: "tmdb-api", health: false, api_keys: [KEY], timeouts: { total: "900ms" }, upstreams: [url] };
  return {
    pools: {
      keyed,
      passing: { ...keyed, key_mode: "pass" },
      images: { type: "tmdb-image", health: false, timeouts: keyed.timeouts, upstreams: [url] },
      general: { type: "custom", health: false, timeouts: keyed.timeouts, upstreams: [url] },
    },
    listeners: [
      { name: "keyed", host: ["keyed.test"], pool: "keyed" },
      { name: "passing", host: ["passing.test"], pool: "passing" },
      { name: "images", host: ["images.test"], pool: "images" },
      { name: "general", host: ["general.test"], pool: "general" },
    ],
  };
}

Deno.test("askUpstreams() tells clients of TMDB types after a 429 how many whole seconds to wait, whatever the upstream says", () => {
  let said: string | null = null;
  const limits: ScriptedHandler = (exchange) => {
    const fields: [string, string][] = [["content-type", "application/json"]];
    if (said !== null) fields.push(["retry-after", said]);
    return exchange.reply({ status: 429, fields, body: LIMITED_BODY });
  };
  return withOrigins([limits], (origin) =>
    withGateway(limitedParts(origin!.url), async ({ ask, gateway }) => {
      const asked = (host: string, target: string, method = "GET") =>
        ask(target, { method, headers: { host: `${host}.test` } });
      for (const [index, [retryAfter, seconds]] of PAUSES.entries()) {
        said = retryAfter;
        const answers = [
          await asked("passing", `/3/movie/${index}?api_key=mine`),
          await asked("passing", "/3/account?session_id=session"),
          await asked("passing", "/3/movie/1/rating?session_id=session", "DELETE"),
          await asked("images", `/t/p/w500/${index}.jpg`),
        ];
        for (const { status, headers } of answers) {
          assert.deepEqual([status, headers.get("retry-after")], [429, seconds], `${retryAfter}`);
        }
        assert.equal(answers[0]!.text, LIMITED_BODY);
        assert.equal((await asked("general", `/${index}`)).headers.get("retry-after"), retryAfter?.trim() ?? null);
      }
      // With a key of its own the gateway says how long that rests.
      said = null;
      for (const target of ["/3/movie/1", "/3/movie/2"]) {
        const { status, headers } = await asked("keyed", target);
        assert.deepEqual([status, headers.get("retry-after")], [429, "1"]);
      }
      assert.deepEqual({ ...gateway.counts.upstreams["passing"]![origin!.url]!.outcomes }, {
        limited: 3 * PAUSES.length,
      });
    }));
});
