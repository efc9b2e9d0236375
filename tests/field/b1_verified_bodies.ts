import assert from "node:assert/strict";
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { Fields } from "../../lib/http/fields.ts";
import { type Asked, asking, type FieldRow, type Seen, textOf } from "./field_row.ts";

export const DOCUMENT = JSON.stringify({
  id: 550,
  cast: [{ id: 819 }, { id: 287 }],
  overview: "A ticking-time-bomb insomniac and a slippery soap salesman. ".repeat(40),
});
const JSON_TYPE: Fields = [
  ["content-type", "application/json;charset=utf-8"],
  ["cache-control", "public, max-age=21600"],
];

/** Answers with these bytes as a TMDB document. */
export function says(body: string | Uint8Array, more: Fields = [], status = 200) {
  return ({ exchange }: Asked) => exchange.reply({ status, fields: [...JSON_TYPE, ...more], body });
}

/** The first origin gives one answer, the second a good one. */
function badThenGood(bad: (asked: Asked) => Promise<void>, good: (asked: Asked) => Promise<void>) {
  return (asked: Asked) => (asked.origin === 0 ? bad : good)(asked);
}

/** So many that the first origin is asked whatever is picked first. */
const FOUR = [1, 2, 3, 4];

function fourAsking(path: string, host: string): string[] {
  return FOUR.map((at) => asking(`GET ${path}?page=${at}`, host));
}

function allAre(body: string) {
  return ({ responses, asked }: Seen) => {
    assert.deepEqual(
      responses.map((response) => [response.status, textOf(response)]),
      responses.map(() => [200, body]),
    );
    assert.ok(asked.some(({ origin }) => origin === 0), "the bad one was asked as well");
  };
}

const KEPT = "kept for hours as the document";
const GOOD = says(DOCUMENT);

const JPEG_TYPE: Fields = [["content-type", "image/jpeg"], ["cache-control", "public, max-age=31536000"]];
const JPEG = "\xff\xd8\xff\xda\x00\x02" + "poster".repeat(50) + "\xff\xd9";
const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

function pictureOf(text: string) {
  return ({ exchange }: Asked) => exchange.reply({ fields: JPEG_TYPE, body: bytes(text) });
}

/** B1: bodies that are not what they say. */
export const verifiedBodyRows: readonly FieldRow[] = [
  {
    line: "B1",
    name: "gzip without Content-Encoding is decoded, for the first and for those who come later",
    before: "1F 8B … as JSON, stored",
    fellShort: true,
    requests: [asking("GET /3/movie/550", "tmdb.test"), asking("GET /3/movie/550", "tmdb.test")],
    answer: says(gzipSync(DOCUMENT)),
    holds({ responses, asked }) {
      for (const response of responses) {
        assert.equal(response.field("content-encoding"), null);
        assert.equal(textOf(response), DOCUMENT);
      }
      assert.equal(asked.length, 1);
    },
  },
  {
    line: "B1",
    name: "gzip without Content-Encoding is decoded in what is one user's own",
    before: "1F 8B … as JSON",
    fellShort: true,
    requests: [asking("GET /3/account/1/rated/movies?session_id=s", "tmdb.test")],
    answer: says(gzipSync(DOCUMENT)),
    holds: ({ responses }) => assert.equal(textOf(responses[0]!), DOCUMENT),
  },
  {
    line: "B1",
    name: "an empty 200 is a failed try: the next upstream is asked",
    before: KEPT,
    fellShort: true,
    requests: fourAsking("/3/movie/popular", "empty.test"),
    answer: badThenGood(says(""), GOOD),
    holds: allAre(DOCUMENT),
  },
  {
    line: "B1",
    name: "a 200 of white space is a failed try: the next upstream is asked",
    before: KEPT,
    fellShort: true,
    requests: fourAsking("/3/movie/top_rated", "blank.test"),
    answer: badThenGood(says(" \r\n".repeat(400)), GOOD),
    holds: allAre(DOCUMENT),
  },
  {
    line: "B1",
    name: "a 200 that is cut short behind a bracket is a failed try: the next upstream is asked",
    before: KEPT,
    fellShort: true,
    requests: fourAsking("/3/movie/upcoming", "short.test"),
    answer: badThenGood(says(DOCUMENT.slice(0, DOCUMENT.indexOf("},{") + 1)), GOOD),
    holds: allAre(DOCUMENT),
  },
  {
    line: "B1",
    name: "success:false with status 200 is passed on and never stored, here or behind",
    before: "stored for hours",
    fellShort: true,
    requests: [asking("GET /3/movie/9", "tmdb.test"), asking("GET /3/movie/9", "tmdb.test")],
    answer: says('{"success":false,"status_code":9,"status_message":"Service offline."}'),
    holds({ responses, asked }) {
      for (const response of responses) {
        assert.match(textOf(response), /"status_code":9/);
        assert.equal(response.field("cache-control"), "no-store");
      }
      assert.equal(asked.length, 2);
    },
  },
  {
    line: "B1",
    name: "an empty body that says it is gzip is no error",
    before: "502",
    fellShort: true,
    requests: [asking("GET /3/movie/404", "tmdb.test")],
    answer: says("", [["content-encoding", "gzip"]], 404),
    holds: ({ responses }) => assert.deepEqual([responses[0]!.status, textOf(responses[0]!)], [404, ""]),
  },
  {
    line: "B1",
    name: "a coding that nobody asked for is decoded without pool keys too",
    before: "brotli to a client that asked for nothing, and stored so",
    fellShort: true,
    requests: [asking("GET /3/movie/551", "tmdb.test"), asking("GET /3/movie/551", "tmdb.test")],
    answer: says(brotliCompressSync(DOCUMENT), [["content-encoding", "br"]]),
    holds({ responses }) {
      for (const response of responses) {
        assert.deepEqual([response.field("content-encoding"), textOf(response)], [null, DOCUMENT]);
      }
    },
  },
  {
    line: "B1",
    name: "a JPEG without its end is a failed try: the next upstream is asked",
    before: "half a poster, kept for months",
    fellShort: true,
    requests: FOUR.map((at) => asking(`GET /t/p/w500/${at}.jpg`, "pictures.test")),
    answer: badThenGood(pictureOf(JPEG.slice(0, -40)), pictureOf(JPEG)),
    holds({ responses, asked }) {
      for (const response of responses) assert.deepEqual(response.body, bytes(JPEG));
      assert.ok(asked.some(({ origin }) => origin === 0), "the bad one was asked as well");
    },
  },
  {
    line: "B1",
    name: "a .gz file of a general upstream stays what it is",
    before: "stays what it is",
    fellShort: false,
    requests: [asking("GET /b1/list.json.gz", "any.test"), asking("GET /b1/list.json.gz", "any.test")],
    answer: says(gzipSync(DOCUMENT)),
    holds({ responses }) {
      for (const response of responses) assert.deepEqual(response.body, new Uint8Array(gzipSync(DOCUMENT)));
    },
  },
];
