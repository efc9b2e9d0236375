import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { withOrigin } from "./in_process_gateway.ts";

const HUGE = "99999999999";
const LONG = "9".repeat(400);
const MAX_AGE_SECONDS = 2_147_483_648;

/** What an origin may say that no clock and no counter takes, and the `Age` that a hit has, `null` where it is none. */
const SAID: readonly { what: string; fields: Fields; age: number | null }[] = [
  { what: "Age beyond 2^31 (RFC 9111 §1.2.2)", fields: [["age", HUGE], ["cache-control", "max-age=60"]], age: null },
  { what: "Age of 400 digits", fields: [["age", LONG], ["cache-control", `max-age=${LONG}`]], age: null },
  { what: "Age below 0, which is none", fields: [["age", "-5"], ["cache-control", "max-age=60"]], age: 0 },
  { what: "max-age beyond 2^31", fields: [["cache-control", `max-age=${HUGE}`]], age: 0 },
  { what: "max-age that is no integer", fields: [["cache-control", "max-age=1e9"]], age: null },
  { what: "max-age below 0", fields: [["cache-control", "max-age=-1"]], age: null },
  {
    what: "Date of the first century, Expires of today",
    fields: [["date", "Thu, 01 Jan 0001 00:00:00 GMT"], ["expires", "Fri, 01 Jan 2100 00:00:00 GMT"]],
    age: null,
  },
  {
    what: "Date far ahead",
    fields: [["date", "Fri, 31 Dec 9999 23:59:59 GMT"], ["cache-control", "max-age=60"]],
    age: 0,
  },
  { what: "Expires of the last year", fields: [["expires", "Fri, 31 Dec 9999 23:59:59 GMT"]], age: 0 },
];

for (const { what, fields, age } of SAID) {
  Deno.test(`a response with ${what} is kept no longer than it says, with an Age that caches understand`, () =>
    withOrigin((exchange) => exchange.reply({ fields, body: "x" }), async ({ ask }, origin) => {
      await ask("/a");
      const again = await ask("/a");
      const sent = again.headers.get("age");
      assert.equal(origin.heads.length, age === null ? 2 : 1, again.cacheStatus);
      if (age !== null) assert.equal(Number(sent), age);
    }, { listeners: [{ name: "l", pool: "p", cache: { mode: "rfc9111" } }] }));
}

Deno.test("a response with an Age beyond 2^31 that is kept by a configured time says 2^31 (RFC 9111 §1.2.2)", () =>
  withOrigin((exchange) => exchange.reply({ fields: [["age", HUGE]], body: "x" }), async ({ ask, clock }) => {
    await ask("/a");
    clock.advance(10_000);
    const again = await ask("/a");
    assert.match(again.cacheStatus, /hit; ttl=50/);
    assert.equal(Number(again.headers.get("age")), MAX_AGE_SECONDS);
  }, { listeners: [{ name: "l", pool: "p", cache: { mode: "ttl", rules: [{ ttl: "60s" }] } }] }));

Deno.test("ranges and lengths beyond what numbers hold are answered as the RFCs say", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"], ["etag", '"1"']], body: "0123456789" }),
    async ({ ask }) => {
      const range = async (value: string) => {
        const { status, text } = await ask("/a", { headers: { range: value } });
        return [status, text];
      };
      await ask("/a");
      assert.deepEqual(await range(`bytes=8-${LONG}`), [206, "89"]);
      assert.deepEqual(await range(`bytes=-${LONG}`), [206, "0123456789"]);
      assert.equal((await range(`bytes=${LONG}-`))[0], 416);
      assert.equal((await range("bytes=9007199254740993-9007199254740995"))[0], 416);
    },
  ));

Deno.test("a response whose Content-Length is beyond what numbers hold is a failed try, not an endless body", () =>
  withOrigin(
    (exchange) => exchange.write(`HTTP/1.1 200 OK\r\ncontent-length: ${LONG}\r\n\r\nx`).then(() => exchange.left),
    async ({ ask }) => assert.equal((await ask("/a")).status, 502),
  ));

for (
  const [given, passed] of [[HUGE, String(MAX_AGE_SECONDS)], ["30, 60", "30"], ["-5", null], ["soon", null], [
    "7",
    "7",
  ]] as const
) {
  Deno.test(`an answer that is passed on has Age ${passed} where its origin says ${given.slice(0, 20)} (RFC 9111 §5.1)`, () =>
    withOrigin(
      (exchange) => exchange.reply({ fields: [["age", given], ["cache-control", "no-store"]], body: "x" }),
      async ({ ask }) => {
        assert.equal((await ask("/a")).headers.get("age"), passed);
      },
    ));
}
