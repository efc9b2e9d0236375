/** The rest of `conformance_test.ts`: stale use, validation, updates, invalidation, ranges, request directives, targeted fields. */
import { conformance, fresh, type Reply, type Step } from "./conformance_case.ts";

function conforms(...parts: Parameters<typeof conformance>): void {
  Deno.test(conformance(...parts));
}

const fields = (...lines: [string, string | number][]): Reply => ({ fields: lines });
const failing: Reply = { status: 503, body: "down" };

conforms("§4.2.4 serves stale when the origin cannot be reached", [
  { reply: fields(["cache-control", "max-age=2"]), from: "origin" },
  { wait: 3, reply: "cut", from: "origin", body: "body", fields: { age: "3" } },
]);
conforms("§4.2.4 passes a 503 on where nothing allows stale use", [
  { reply: fields(["cache-control", "max-age=2"]), from: "origin" },
  { wait: 3, reply: failing, from: "origin", status: 503 },
]);
for (const directive of ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2"]) {
  conforms(`§4.2.4 does not serve stale where ${directive} forbids it`, [
    { reply: fields(["cache-control", `max-age=2, ${directive}`], ["x-stored", "1"]), from: "origin" },
    { wait: 3, reply: "cut", from: "origin", status: 502, fields: { "x-stored": null } },
  ]);
}
const whileRevalidating = fields(["cache-control", "max-age=1, stale-while-revalidate=4"], ["etag", '"abc"']);
conforms("RFC 5861 §3 serves stale while it revalidates behind, and has the news next time", [
  { reply: whileRevalidating, from: "origin" },
  { wait: 3, reply: { fields: [["cache-control", "max-age=9"]], body: "new" }, from: "validated", body: "body" },
  { from: "cache", body: "new" },
]);
conforms("RFC 5861 §3 does not serve stale after the window", [
  { reply: whileRevalidating, from: "origin" },
  { wait: 6, reply: { body: "new" }, from: "origin", body: "new" },
]);
conforms("RFC 5861 §4 serves stale on an error within the window, and not after", [
  { reply: fields(["cache-control", "max-age=0, stale-if-error=60"]), from: "origin" },
  { wait: 30, reply: failing, from: "origin", body: "body" },
  { wait: 31, reply: failing, from: "origin", status: 503 },
]);
conforms("RFC 5861 §4 heeds stale-if-error of a request", [
  { reply: fields(["cache-control", "max-age=1"]), from: "origin" },
  { wait: 3, headers: [["cache-control", "stale-if-error=60"]], reply: failing, from: "origin", body: "body" },
  { wait: 3, headers: [["cache-control", "stale-if-error=1"]], reply: failing, from: "origin", status: 503 },
]);

const TAGS: [etag: string, asked: string][] = [
  ['"abcdef"', '"abcdef"'],
  ['W/"abcdef"', 'W/"abcdef"'],
  ['"abcdef"', '"abcdef", "1234", "5678"'],
  ['"abcdef"', '"1234", "abcdef", "5678"'],
  ['"abcdef"', '"1234", "5678", "abcdef"'],
  ['"abcdef"', "*"],
];
for (const [etag, asked] of TAGS) {
  conforms(`§4.3.2 answers 304 to If-None-Match: ${asked} for ${etag}`, [
    { reply: fresh(["etag", etag]), from: "origin" },
    { headers: [["if-none-match", asked]], from: "cache", status: 304, fields: { etag } },
  ]);
}
conforms("§4.3.2 puts If-None-Match before If-Modified-Since", [
  { reply: fresh(["etag", '"abcdef"'], ["last-modified", -5000]), from: "origin" },
  { headers: [["if-none-match", '"abcdef"'], ["if-modified-since", -9000]], from: "cache", status: 304 },
  { headers: [["if-none-match", '"other"'], ["if-modified-since", -1]], from: "cache" },
]);
conforms("§4.3.2 answers If-Modified-Since by Last-Modified, in any form of date", [
  { reply: fresh(["last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"]), from: "origin" },
  { headers: [["if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT"]], from: "cache", status: 304 },
  { headers: [["if-modified-since", "Fri, 02 Jan 2026 00:00:00 GMT"]], from: "cache", status: 304 },
  { headers: [["if-modified-since", "Thursday, 01-Jan-26 00:00:00 GMT"]], from: "cache", status: 304 },
  { headers: [["if-modified-since", "Wed, 31 Dec 2025 00:00:00 GMT"]], from: "cache" },
]);
conforms("§4.3.2 answers If-Modified-Since by Date where there is no Last-Modified", [
  { reply: fresh(), from: "origin" },
  { wait: 3, headers: [["if-modified-since", 0]], from: "cache", status: 304 },
  { headers: [["if-modified-since", -3000]], from: "cache" },
]);
for (const etag of ['"abcdef"', 'W/"abcdef"']) {
  conforms(`§4.3.1 validates with ${etag}`, [
    { reply: fields(["cache-control", "max-age=2"], ["etag", etag]), from: "origin" },
    { wait: 3, reply: { status: 304 }, from: "validated", body: "body", sent: { "if-none-match": etag } },
  ]);
}
conforms("§4.3.1 validates with Last-Modified, and answers the client's own condition after it", [
  { reply: fields(["cache-control", "max-age=2"], ["last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"]), from: "origin" },
  {
    wait: 3,
    headers: [["if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT"]],
    reply: { status: 304 },
    from: "validated",
    status: 304,
  },
]);
conforms("§4.3.1 validates one variant with the fields that selected it", [
  {
    headers: [["abc", "123"]],
    reply: fields(["cache-control", "max-age=1"], ["etag", '"v"'], ["vary", "Abc"]),
    from: "origin",
  },
  {
    wait: 3,
    headers: [["abc", "123"]],
    reply: { status: 304 },
    from: "validated",
    sent: { abc: "123", "if-none-match": '"v"' },
  },
  { headers: [["abc", "456"]], reply: fresh(["vary", "Abc"]), from: "origin", sent: { "if-none-match": null } },
]);
for (const value of ["no-cache", "max-age=10000, no-cache"]) {
  conforms(`§5.2.2.4 stores ${value}, and validates each use`, [
    { reply: fields(["cache-control", value], ["etag", '"abcd"']), from: "origin" },
    { reply: { status: 304 }, from: "validated", body: "body" },
  ]);
}
conforms("§5.2.2.2 validates a stale response with must-revalidate", [
  { reply: fields(["cache-control", "max-age=2, must-revalidate"], ["etag", '"abcd"']), from: "origin" },
  { from: "cache" },
  { wait: 3, reply: { status: 304 }, from: "validated" },
]);
conforms("§5.2.2.4 does not store the fields that no-cache names", [
  {
    reply: fields(["cache-control", 'no-cache="a, b", max-age=60'], ["a", "1"], ["c", "3"]),
    from: "origin",
    fields: { a: "1" },
  },
  { from: "cache", fields: { a: null, c: "3" } },
]);

const stored = (...more: [string, string | number][]) =>
  fields(["cache-control", "max-age=2"], ["etag", '"e"'], ...more);
conforms("§3.2 keeps a stored field that a 304 does not have", [
  { reply: stored(["x-test", "A"]), from: "origin" },
  { wait: 3, reply: { status: 304, fields: [["date", 0]] }, from: "validated", fields: { "x-test": "A" } },
]);
const NEWS: [name: string, a: string, b: string][] = [
  ["test-header", "a", "b"],
  ["x-test-header", "a", "b"],
  ["content-foo", "a", "b"],
  ["x-content-foo", "a", "b"],
  ["content-type", "text/plain", "text/plain;charset=utf-8"],
  ["content-security-policy", "default-src 'self'", "default-src 'self' cdn.example.com"],
  ["set-cookie", "a=b", "a=c"],
];
for (const [name, a, b] of NEWS) {
  conforms(`§3.2 updates ${name} with a 304`, [
    { reply: stored([name, a]), from: "origin" },
    { wait: 3, reply: { status: 304, ...stored([name, b]) as object }, from: "validated", fields: { [name]: b } },
    { from: "cache", fields: { [name]: b } },
  ]);
}
for (
  const [name, a, b] of [["content-length", "4", "10"], ["content-encoding", "a", "b"], ["content-range", "a", "b"]]
) {
  conforms(`§3.2 does not update ${name} with a 304`, [
    {
      reply: { ...stored(...(name === "content-length" ? [] : [[name!, a!] as [string, string]])) as object },
      from: "origin",
    },
    { wait: 3, reply: { status: 304, ...stored([name!, b!]) as object }, from: "validated", fields: { [name!]: a! } },
  ]);
}
conforms("§4.3.5 renews a stored response by HEAD, and forgets it where that shows another", [
  { reply: stored(), from: "origin" },
  { wait: 3, method: "HEAD", reply: { body: "body", ...fresh(["etag", '"e"'], ["a", "2"]) as object }, from: "origin" },
  { from: "cache", fields: { a: "2" }, body: "body" },
]);

for (const method of ["POST", "PUT", "DELETE", "M-SEARCH", "PATCH", "UNKNOWN"]) {
  conforms(`§4.4 invalidates the target after ${method} succeeded, not after it failed`, [
    { reply: fresh(), from: "origin" },
    { wait: 1, method, reply: { status: 500 }, status: 500, from: "origin" },
    { from: "cache" },
    { method, from: "origin" },
    { wait: 1, reply: fresh(), from: "origin" },
    { from: "cache" },
  ]);
  for (const name of ["location", "content-location"]) {
    conforms(`§4.4 invalidates what ${name} names after ${method}, on the same origin only`, [
      { target: "/named", reply: fresh(), from: "origin" },
      { wait: 1, method, reply: fields([name, "http://other.example/named"]), from: "origin" },
      { target: "/named", from: "cache" },
      { method, reply: fields([name, "named"]), from: "origin" },
      { target: "/named", reply: fresh(), from: "origin" },
    ]);
  }
}
conforms("§4.4 invalidates every variant, and none comes back with the next one stored", [
  { headers: [["foo", "1"]], reply: fresh(["vary", "Foo"]), from: "origin" },
  { headers: [["foo", "2"]], reply: fresh(["vary", "Foo"]), from: "origin" },
  { wait: 1, method: "PUT", from: "origin" },
  { wait: 1, headers: [["foo", "1"]], reply: fresh(["vary", "Foo"]), from: "origin" },
  { headers: [["foo", "2"]], reply: fresh(["vary", "Foo"]), from: "origin" },
]);

const WISHES: [wish: string, reply: Reply, second: Step["from"]][] = [
  ["max-age=0", fresh(), "origin"],
  ["max-age=1", fresh(), "origin"],
  ["max-age=600", fresh(["age", "1800"]), "origin"],
  ["max-stale=1000", fields(["cache-control", "max-age=1"]), "cache"],
  ["max-stale=1000", fields(["cache-control", "max-age=1500"], ["age", "2000"]), "cache"],
  ["max-stale=1", fields(["cache-control", "max-age=1"]), "origin"],
  ["min-fresh=2000", fields(["cache-control", "max-age=1500"]), "origin"],
  ["min-fresh=1000", fields(["cache-control", "max-age=1500"], ["age", "1000"]), "origin"],
  ["no-cache", fresh(), "origin"],
  ["nothing-to-see-here", fresh(), "cache"],
];
for (const [wish, reply, second] of WISHES) {
  conforms(`§5.2.1 heeds the request's Cache-Control: ${wish}`, [
    { reply, from: "origin" },
    { wait: 3, headers: [["cache-control", wish]], from: second },
  ]);
}
conforms("§5.2.1.7 answers only-if-cached with 504", [
  { headers: [["cache-control", "only-if-cached"]], from: "cache", status: 504 },
  { reply: fresh(), from: "origin" },
  { headers: [["cache-control", "only-if-cached"]], from: "cache" },
]);
conforms("§5.2.1.5 stores nothing for a request with no-store", [
  { headers: [["cache-control", "no-store"]], reply: fresh(), from: "origin" },
  { from: "origin" },
]);
conforms("§5.4 takes Pragma: no-cache for a wish where there is no Cache-Control, and other values for none", [
  { reply: fresh(), from: "origin" },
  { headers: [["pragma", "foo"]], from: "cache" },
  { headers: [["pragma", "no-cache"]], reply: fresh(), from: "origin" },
  { headers: [["pragma", "no-cache"], ["cache-control", "max-age=99"]], from: "cache" },
]);

conforms("§3.3 serves ranges from a complete response", [
  { reply: { ...fresh(["a", "1"]) as object, body: "0123456789A" }, from: "origin" },
  {
    headers: [["range", "bytes=0-1"]],
    from: "cache",
    status: 206,
    body: "01",
    fields: { a: "1", "content-range": "bytes 0-1/11" },
  },
  { headers: [["range", "bytes=1-"]], from: "cache", status: 206, body: "123456789A" },
  { headers: [["range", "bytes=-1"]], from: "cache", status: 206, body: "A" },
  { headers: [["range", "bytes=20-"]], from: "cache", status: 416 },
]);
const part: Reply = {
  status: 206,
  fields: [["cache-control", "max-age=60"], ["content-range", "bytes 5-9/10"]],
  body: "56789",
};
conforms("§3.3 stores a part, reuses it for what lies within, and never for the whole", [
  { headers: [["range", "bytes=-5"]], reply: part, from: "origin", status: 206, sent: { range: "bytes=-5" } },
  { headers: [["range", "bytes=-5"]], from: "cache", status: 206, body: "56789" },
  { headers: [["range", "bytes=6-8"]], from: "cache", status: 206, body: "678" },
  { headers: [["range", "bytes=6-"]], from: "cache", status: 206, body: "6789" },
  { headers: [["range", "bytes=-1"]], from: "cache", status: 206, body: "9" },
  { headers: [["range", "bytes=0-6"]], reply: { status: 206 }, from: "origin", status: 206 },
  { reply: { ...fresh() as object, body: "0123456789" }, from: "origin", body: "0123456789" },
]);

conforms("RFC 9110 §15.2 stores and replays nothing of an interim response", [
  {
    reply: { ...fresh() as object, interim: "HTTP/1.1 103 Early Hints\r\nlink: </s.css>; rel=preload\r\nx-interim: 1" },
    from: "origin",
    fields: { "x-interim": null },
  },
  { from: "cache", fields: { "x-interim": null, link: null } },
]);

const TARGETED: [lines: [string, string | number][], second: Step["from"]][] = [
  [[["cdn-cache-control", "max-age=3600"]], "cache"],
  [[["cdn-cache-control", "max-age=2147483648"]], "cache"],
  [[["cdn-cache-control", "max-age=99999999999"]], "cache"],
  [[["cdn-cache-control", "max-age=3600"], ["age", "7200"]], "origin"],
  [[["cdn-cache-control", "max-age=0"]], "origin"],
  [[["cdn-cache-control", "foobar, max-age=3600"]], "cache"],
  [[["cdn-cache-control", "max-age=3600"], ["expires", -10_000]], "cache"],
  [[["cdn-cache-control", "max-age=3600"], ["expires", "0"]], "cache"],
  [[["cdn-cache-control", "max-age=0"], ["expires", 10_000]], "origin"],
  [[["cdn-cache-control", "max-age=3600"], ["cache-control", "max-age=1"]], "cache"],
  [[["cdn-cache-control", "max-age=1"], ["cache-control", "max-age=3600"]], "origin"],
  [[["cdn-cache-control", "private"], ["cache-control", "max-age=10000"]], "origin"],
  [[["cdn-cache-control", "no-cache"], ["cache-control", "max-age=10000"]], "origin"],
  [[["cdn-cache-control", "no-store"], ["cache-control", "max-age=10000"]], "origin"],
  [[["cdn-cache-control", "max-age=10000"], ["cache-control", "no-store"]], "cache"],
  [[["cdn-cache-control", "max-age=10000, &&&&&"], ["cache-control", "no-store"]], "origin"],
  [[["cdn-cache-control", 'max-age="10000"'], ["cache-control", "no-store"]], "origin"],
];
for (const [lines, second] of TARGETED) {
  const said = lines.map(([name, value]) => `${name}: ${value}`).join(", ");
  conforms(`RFC 9213 takes ${said}`, [
    { reply: fields(["date", 0], ...lines), from: "origin" },
    { wait: 3, reply: fields(["date", 0], ...lines), from: second },
  ]);
}
conforms("RFC 9213 §2.2 hands CDN-Cache-Control on, and Age, Date and Expires with it", [
  {
    reply: fields(["cache-control", "max-age=1"], ["cdn-cache-control", "max-age=10000"], ["date", 0]),
    from: "origin",
  },
  {
    wait: 3,
    from: "cache",
    fields: { "cdn-cache-control": "max-age=10000", age: "3", date: "Fri, 02 Jan 2026 03:04:05 GMT" },
  },
]);
conforms("Surrogate-Control comes before Cache-Control, and goes no further", [
  {
    reply: fields(["surrogate-control", "max-age=60"], ["cache-control", "no-store"]),
    from: "origin",
    fields: { "surrogate-control": null },
  },
  { wait: 3, from: "cache", fields: { "surrogate-control": null } },
  {
    target: "/b",
    reply: fields(["surrogate-control", "no-store"], ["cache-control", "max-age=60"]),
    from: "origin",
    fields: { "surrogate-control": null },
  },
]);
