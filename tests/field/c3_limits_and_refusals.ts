import assert from "node:assert/strict";
import { type Asked, asking, type FieldRow, textOf } from "./field_row.ts";

const json: [string, string] = ["content-type", "application/json"];

function limited(retryAfter: string | null) {
  return ({ exchange }: Asked) =>
    exchange.reply({
      status: 429,
      fields: retryAfter === null ? [json] : [json, ["retry-after", retryAfter]],
      body: '{"success":false,"status_code":25,"status_message":"over the limit"}',
    });
}

function limitRow(name: string, retryAfter: string | null, place: string): FieldRow {
  return {
    line: "C3",
    name: `429 ${name}: the client is told whole seconds`,
    before: retryAfter === null ? "it was told nothing" : `it was told "${retryAfter}"`,
    fellShort: true,
    requests: [
      asking(`GET /3/movie/${place}?api_key=${"b".repeat(32)}`, "c3-pass.test"),
      asking(`GET /t/p/w500/${place}.jpg`, "c3-images.test"),
    ],
    answer: limited(retryAfter),
    holds({ responses }) {
      assert.deepEqual(responses.map((one) => [one.status, one.field("retry-after")]), responses.map(() => [429, "1"]));
    },
  };
}

const INVALID = '{"status_code":7,"status_message":"Invalid API key.","success":false}';

/** TMDB, which knows the pool's key alone. */
function tmdb({ exchange }: Asked): Promise<void> {
  const { target, fields } = exchange.head;
  const isKnown = /[?&]api_key=1{32}(?:&|$)/.test(target) && !fields.some(([name]) => name === "authorization");
  return exchange.reply({ status: isKnown ? 200 : 401, fields: [json], body: isKnown ? '{"id":1}' : INVALID });
}

const PLACEHOLDERS = ["x", "null", "undefined", "your_api_key", "%3Capi_key%3E", "$%7BTMDB_API_KEY%7D", "None", "test"];
const BEARERS = ["Bearer null", "Bearer undefined", "Bearer <token>", "Bearer", "Bearer your_api_key"];

/** C3: what is made of limits and refusals. */
export const limitRows: readonly FieldRow[] = [
  limitRow("without Retry-After", null, "11"),
  limitRow("with Retry-After: 0", "0", "12"),
  limitRow("with Retry-After: -5", "-5", "13"),
  limitRow("with Retry-After: soon", "soon", "14"),
  limitRow("with a date that is over", "Thu, 01 Jan 1970 00:00:00 GMT", "15"),
  {
    line: "C3",
    name: "a key that cannot be one counts as none",
    before: "it went out as it was, and TMDB refused it",
    fellShort: true,
    requests: PLACEHOLDERS.map((text, index) => asking(`GET /3/movie/${100 + index}?api_key=${text}`, "c3-keyed.test")),
    answer: tmdb,
    holds: ({ responses }) => assert.deepEqual(responses.map(({ status }) => status), PLACEHOLDERS.map(() => 200)),
  },
  {
    line: "C3",
    name: "so does a bearer token that cannot be one",
    before: "it was taken for a user's, and TMDB refused it",
    fellShort: true,
    requests: BEARERS.map((text, index) =>
      asking(`GET /3/movie/${200 + index}`, "c3-keyed.test", [`Authorization: ${text}`])
    ),
    answer: tmdb,
    holds: ({ responses }) => assert.deepEqual(responses.map(({ status }) => status), BEARERS.map(() => 200)),
  },
  {
    line: "C3",
    name: "one mirror of two that refuses a good key costs no client anything, and the key stays in",
    before: "the key was out, and clients that met that mirror got its 401",
    fellShort: true,
    requests: Array.from({ length: 20 }, (_, index) => asking(`GET /3/movie/${300 + index}`, "c3-mirrors.test")),
    answer: (asked) =>
      asked.origin === 0
        ? asked.exchange.reply({ status: 401, fields: [json], body: INVALID })
        : asked.exchange.reply({ fields: [json], body: '{"id":1}' }),
    holds({ responses, asked }) {
      assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200]);
      assert.ok(asked.filter(({ origin }) => origin === 0).length <= 8, "it is out");
    },
  },
  {
    line: "C3",
    name: "it is the same with a mirror that refuses in another way than TMDB does",
    before: "clients that met that mirror got its 401",
    fellShort: true,
    requests: Array.from({ length: 20 }, (_, index) => asking(`GET /3/movie/${400 + index}`, "c3-plain.test")),
    answer: (asked) =>
      asked.origin === 0
        ? asked.exchange.reply({ status: 401, fields: [["content-type", "text/plain"]], body: "Unauthorized" })
        : asked.exchange.reply({ fields: [json], body: '{"id":1}' }),
    holds: ({ responses }) => assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200]),
  },
  {
    line: "C3",
    name: "what says that no upstream can answer says when to come back",
    before: "502 and 504 had no Retry-After",
    fellShort: true,
    requests: [
      asking("GET /3/movie/501", "c3-dead.test"),
      asking("GET /3/movie/502", "c3-keyed.test"),
      asking("GET /3/movie/503/hangs", "c3-keyed.test"),
      asking("POST /3/movie/504/cut", "c3-keyed.test", ["Content-Length: 0"]),
    ],
    async answer({ exchange }) {
      const { target } = exchange.head;
      if (target.includes("/hangs")) return exchange.hang();
      if (target.includes("/cut")) return exchange.reset();
      return await exchange.reply({ fields: [["content-type", "text/html"]], body: "<h1>blocked</h1>" });
    },
    holds({ responses }) {
      assert.deepEqual(responses.map(({ status }) => status), [502, 502, 504, 502], textOf(responses[0]!));
      for (const one of responses) assert.match(one.field("retry-after") ?? "", /^[1-9]\d*$/);
    },
  },
];
