import assert from "node:assert/strict";
import { type Asked, asking, type FieldResponse, type FieldRow, rawBytes, textOf } from "./field_row.ts";

const HOST = "any.test";
const LIFETIMES = "public, max-age=21600, s-maxage=21600, stale-while-revalidate=3600, stale-if-error=86400, immutable";

function get(path: string, lines: readonly string[] = [], host = HOST): string {
  return asking(`GET ${path}`, host, lines);
}

/** An order to the admin address; characters go as UTF-8. */
function purge(order: Readonly<Record<string, unknown>>): string {
  const body = rawBytes(JSON.stringify(order));
  const lines = ["Content-Type: application/json", `Content-Length: ${body.length}`];
  return asking("POST /purge", "127.0.0.1", lines, body);
}

/** Answers with a version that each request makes a new one, or with 304 where its tag is asked for. */
function versioned(lines: readonly [string, string][]): FieldRow["answer"] {
  let version = 0;
  return async ({ exchange }: Asked) => {
    const tag = exchange.head.fields.find(([name]) => name === "if-none-match")?.[1] ?? null;
    const fields: [string, string][] = [["etag", '"v"'], ["content-type", "application/json"], ...lines];
    if (tag === '"v"') return await exchange.reply({ status: 304, fields });
    await exchange.reply({ fields, body: JSON.stringify({ version: ++version }) });
  };
}

const FRESH: [string, string] = ["cache-control", "max-age=600"];

/** Stale, and without a lifetime for anybody behind. */
function isEnded(response: FieldResponse): void {
  assert.match(response.field("cache-status") ?? "", /hit; ttl=-|stale|fwd=stale/);
  assert.match(response.field("cache-control") ?? "", /(?:^|, )max-age=0$/);
  assert.doesNotMatch(response.field("cache-control") ?? "", /s-maxage|stale-|immutable|max-age=[1-9]/);
  for (const name of ["expires", "cdn-cache-control"]) assert.equal(response.field(name), null);
  assert.match(response.field("age") ?? "", /^\d+$/);
}

/** Orders that name what was asked for before, in other words: asked again, it comes from the origin. */
function found(
  name: string,
  asked: string,
  order: Readonly<Record<string, unknown>>,
  before = "it was not found",
): FieldRow {
  return {
    line: "B4",
    name,
    before,
    fellShort: before !== "the same",
    requests: [get(asked), purge({ ...order, hard: true }), get(asked)],
    answer: versioned([FRESH]),
    holds({ responses, asked: origin }) {
      assert.deepEqual(responses.map(({ status }) => status), [200, 200, 200]);
      assert.equal(origin.length, 2);
    },
  };
}

/** B4: what a soft purge leaves, how a URL is found, and what the answer says. */
export const purgeRows: readonly FieldRow[] = [
  {
    line: "B4",
    name: "what is served stale after a soft purge goes out without a lifetime",
    before: "max-age=21600 with an age of 0: fresh for six hours more",
    fellShort: true,
    requests: [get("/b4/soft", [], "whole.test"), purge({ url: "/b4/soft" }), get("/b4/soft", [], "whole.test")],
    answer: versioned([
      ["cache-control", LIFETIMES.replace("s-maxage=21600, ", "")],
      ["expires", "Fri, 01 Jan 2100 00:00:00 GMT"],
    ]),
    holds: ({ responses }) => isEnded(responses[2]!),
  },
  {
    line: "B4",
    name: "neither does it where a field of its own speaks to shared caches",
    before: "with all its lifetimes",
    fellShort: true,
    requests: [get("/b4/cdn"), purge({ prefix: "/b4/cdn" }), get("/b4/cdn")],
    answer: versioned([
      ["cache-control", LIFETIMES],
      ["cdn-cache-control", "max-age=600, stale-while-revalidate=600"],
    ]),
    holds: ({ responses }) => isEnded(responses[2]!),
  },
  {
    line: "B4",
    name: "on TMDB types as well, and to a client that asks with HEAD",
    before: "public, max-age=21600",
    fellShort: true,
    requests: [
      get("/3/movie/550", [], "tmdb.test"),
      purge({ tag: "movie:550" }),
      asking("HEAD /3/movie/550", "tmdb.test"),
    ],
    answer: versioned([["cache-control", "public, max-age=3600"]]),
    holds({ responses }) {
      isEnded(responses[2]!);
      assert.equal(responses[2]!.field("cache-control"), "public, max-age=0");
    },
  },
  {
    line: "B4",
    name: "a gateway behind that validates gets the validation",
    before: "304 by what was purged, with its old lifetime",
    fellShort: true,
    requests: [
      get("/b4/chain"),
      purge({ url: "/b4/chain" }),
      get("/b4/chain", ['If-None-Match: "v"']),
    ],
    answer: versioned([["cache-control", "max-age=600, stale-while-revalidate=600"]]),
    holds({ responses, asked }) {
      assert.equal(responses[2]!.status, 304);
      assert.match(responses[2]!.field("cache-status") ?? "", /fwd=stale; fwd-status=304/);
      assert.equal(responses[2]!.field("cache-control"), "max-age=600, stale-while-revalidate=600");
      assert.equal(asked.length, 2);
    },
  },
  {
    line: "B4",
    name: "a gateway behind that holds nothing waits for the validation too",
    before: "it got what was purged, as fresh",
    fellShort: true,
    requests: [get("/b4/loop"), purge({ url: "/b4/loop" }), get("/b4/loop", ["CDN-Loop: another"])],
    answer: versioned([["cache-control", "max-age=600, stale-while-revalidate=600"]]),
    holds({ responses, asked }) {
      assert.match(responses[2]!.field("cache-status") ?? "", /fwd=stale; fwd-status=304/);
      assert.equal(asked.length, 2);
    },
  },
  found("a URL is found with its escapes in another case", "/b4/caf%C3%A9?q=%e9", { url: "/b4/caf%c3%a9?q=%E9" }),
  found("and with letters escaped that need not be", "/b4/%7Euser/%61,b?q=%62:c", {
    url: "/b4/~user/a%2Cb?q=b%3Ac",
  }),
  found("and as it is read", rawBytes("/b4/raw/é?q=ö"), { url: "/b4/raw/é?q=ö" }, "the same"),
  found("beginnings and patterns are found alike", "/b4/gl%6fb/caf%c3%a9/1", { glob: "/b4/glo%62/caf%C3%A9/*" }),
  {
    line: "B4",
    name: "the answer says how many it names, and what it was told",
    before: "neither",
    fellShort: true,
    requests: [
      ...[get("/b4/count/1"), get("/b4/count/2")],
      ...[purge({ url: "/b4/count/none" }), purge({ prefix: "/b4/count/" })],
    ],
    answer: versioned([FRESH]),
    holds({ responses }) {
      const [none, two] = responses.slice(2).map((one) => JSON.parse(textOf(one)));
      assert.deepEqual([none.matched, two.matched], [0, 2]);
      assert.deepEqual([none.asked.url, two.asked.prefix], ["/b4/count/none", "/b4/count/"]);
    },
  },
];
