import assert from "node:assert/strict";
import {
  canonicalQuery,
  canonicalText,
  hasApiKey,
  isApiKey,
  withoutApiKey,
} from "../../lib/upstream_type/_canonical_query.ts";
import { seededRandom } from "../seeded_random.ts";

Deno.test("canonicalQuery() makes one text of queries that mean the same", () => {
  const rows: Array<readonly [query: string, canonical: string]> = [
    ["", ""],
    ["api_key=0123", ""],
    ["api_key=0123&&language=zh", "language=zh"],
    ["language=zh&api_key=0123&", "language=zh"],
    ["page=2&language=zh", "language=zh&page=2"],
    ["append_to_response=images,credits,images,", "append_to_response=credits,images"],
    ["append_to_response=images%2Ccredits", "append_to_response=credits,images"],
    ["query=fight+club", "query=fight%20club"],
    ["query=fight%20club", "query=fight%20club"],
    ["query=caf%c3%a9", "query=caf%C3%A9"],
    ["query=café", "query=caf%C3%A9"],
    ["api%5Fkey=0123&a=1", "a=1"],
    ["API_KEY=0123&a=1", "a=1"],
    ["b=2&b=1&a=0", "a=0&b=2&b=1"],
  ];
  for (const [query, canonical] of rows) assert.equal(canonicalQuery(query), canonical, query);
});

Deno.test("canonicalQuery() keeps apart what means something else", () => {
  const queries = [
    ...[
      "",
      "a",
      "a=",
      "a=1",
      "a=1&a=2",
      "a=2&a=1",
      "a=1%26a=2",

      "a=%",
      "a=%25",
      "a=%%",
      "a=%zz",
      "a=%%zz",
    ],
    ...["a=%2B", "a=+", "a==", "a=%26", "a=%%32%36", "language=en", "language=EN", "a=1;b=2", "A=1", "include=null,en"],
    ...["append_to_response=credits", "append_to_response=Credits", "a=\ud800", "a=\udc00", "a=%EF%BF%BD"],
  ];
  const keys = new Map<string, string>();
  for (const query of queries) {
    const key = canonicalQuery(query);
    assert.equal(keys.get(key), undefined, `"${query}" and "${keys.get(key)}" share "${key}"`);
    keys.set(key, query);
  }
});

/** What a query says, by a reader that is written another way: bytes of names and values, marked where an escape is broken. */
function meaning(query: string): string {
  const bytes = (text: string) => {
    const encoded: string[] = [];
    for (let at = 0; at < text.length; at++) {
      const hex = /^%([0-9a-f]{2})/i.exec(text.slice(at, at + 3))?.[1];
      if (hex !== undefined) {
        encoded.push(String(parseInt(hex, 16)));
        at += 2;
      } else if (text[at] === "%") encoded.push("broken");
      else encoded.push(...new TextEncoder().encode(text[at] === "+" ? " " : text[at]!).values().map(String));
    }
    return encoded.join(" ");
  };
  const pairs = query.split("&").filter((pair) => pair !== "" && pair !== "=").map((pair) => {
    const equals = pair.indexOf("=");
    return equals < 0 ? [bytes(pair)] : [bytes(pair.slice(0, equals)), bytes(pair.slice(equals + 1))];
  });
  const groups = new Map<string, string[]>();
  for (const [name, value] of pairs) groups.set(name!, [...groups.get(name!) ?? [], value ?? "absent"]);
  return JSON.stringify([...groups].sort());
}

Deno.test("canonicalQuery() is equal exactly where the meaning is, over 20,000 random queries", () => {
  const random = seededRandom(42);
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!;
  const pieces = [
    "a",
    "b",
    "%61",
    "%62",
    "%41",
    "A",
    "%",
    "%2",
    "6",
    "%26",
    "%3D",
    "=",
    "+",
    "%20",
    "%2b",
    "é",
    "%C3%A9",
    ",",
    "%2c",
  ];
  const text = () => Array.from({ length: Math.floor(random() * 4) }, () => pick(pieces)).join("");
  const byKey = new Map<string, string>();
  const byMeaning = new Map<string, string>();
  for (let round = 0; round < 20_000; round++) {
    const query = Array.from({ length: Math.floor(random() * 4) }, () => pick([text(), `${text()}=${text()}`])).join(
      "&",
    );
    const [key, means] = [canonicalQuery(query), meaning(query)];
    assert.equal(byKey.get(key) ?? means, means, `collision: ${query}`);
    assert.equal(byMeaning.get(means) ?? key, key, `split: ${query}`);
    byKey.set(key, means);
    byMeaning.set(means, key);
  }
});

Deno.test("canonicalQuery() does not care for the order of names, over 2,000 random shuffles", () => {
  const random = seededRandom(7);
  const pairs = [
    "language=de",
    "page=3",
    "append_to_response=credits,images",
    "region=DE",
    "include_adult=false",
    "query=a%20b",
  ];
  const expected = canonicalQuery(pairs.join("&"));
  for (let round = 0; round < 2_000; round++) {
    const shuffled = [...pairs, "api_key=k", ""].map((pair) => [random(), pair] as const).sort((a, b) => a[0] - b[0]);
    assert.equal(canonicalQuery(shuffled.map(([, pair]) => pair).join("&")), expected);
  }
});

Deno.test("canonicalText() leaves no separator, and is its own canonical form but for marks", () => {
  for (let code = 0; code < 256; code++) {
    const text = canonicalText(`%${code.toString(16).padStart(2, "0")}`);
    assert.match(text, /^(?:[A-Za-z0-9_.~,-]|%[0-9A-F]{2})$/);
    assert.equal(canonicalText(text), text);
  }
});

Deno.test("withoutApiKey() takes the key out and no other byte", () => {
  const rows: Array<readonly [query: string, rest: string]> = [
    ["api_key=k&&language=zh", "&language=zh"],
    ["a=%zz&api_key=k&b=+%2f", "a=%zz&b=+%2f"],
    ["a=1&%61pi_key=k&api_key=l", "a=1"],
    ["my_api_key=k", "my_api_key=k"],
    ["a=%20", "a=%20"],
    ["", ""],
  ];
  for (const [query, rest] of rows) assert.equal(withoutApiKey(query), rest, query);
});

Deno.test("hasApiKey() is true for what may be a key, and for nothing that stands in its place", () => {
  const key = "0123456789abcdef0123456789ABCDEF";
  const token = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiIxIn0.c2lnbmF0dXJl";
  const own = [
    `api_key=${key}`,
    `a=1&api_key=${key}`,
    `api%5fkey=${key}`,
    `api_key=&API_KEY=${key}`,
    `api_key=${token}`,
  ];
  for (const query of [...own, `api_key=x&api_key=${key}`, `api_key=%30${key.slice(1)}`]) {
    assert.ok(hasApiKey(query), query);
  }
  for (const query of ["", "api_key", "a=api_key", `xapi_key=${key}`]) assert.ok(!hasApiKey(query), query);
  const placeholders = [
    ...[
      "",
      "x",
      "X",
      "xxx",
      "null",
      "NULL",
      "undefined",
      "None",
      "NaN",
      "false",
      "0",
      "1",
      "your_api_key",
      "YOUR-API-KEY",
    ],
    ...[
      "<api_key>",
      "<<api_key>>",
      "%3Capi_key%3E",
      "{api_key}",
      "%7B%7Bapi_key%7D%7D",
      "${TMDB_API_KEY}",
      "[object+Object]",
    ],
    ...["api_key", "test", "changeme", "...", "%E2%80%A6", "***", "key", "TODO", `%20${key}`, key.slice(1), `${key}0`],
    ...[
      "x".repeat(32),
      "g".repeat(32),
      `"${key}"`,
      `${key}%00`,
      "ey..",
      "a.b.c",
      "é".repeat(32),
      "%zz",
      "=",
      `${key}=`,
    ],
  ];
  for (const text of placeholders) assert.ok(!hasApiKey(`a=1&api_key=${text}&b=2`), text);
});

Deno.test("isApiKey() knows the name in any case", () => {
  assert.deepEqual(["api_key", "Api_Key", "apikey", "api_key2"].map(isApiKey), [true, true, false, false]);
});
