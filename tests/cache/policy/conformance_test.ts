/**
 * What RFC 9111 asks of a shared cache, section by section, each requirement seen through the served gateway. Validation, ranges and
 * targeted fields are in `conformance_more_test.ts`; what is left out on purpose is in docs/conformance.md, with the reason.
 */
import { conformance, fresh, type Reply, type Step } from "./conformance_case.ts";

function conforms(...parts: Parameters<typeof conformance>): void {
  Deno.test(conformance(...parts));
}

const fields = (...lines: [string, string | number][]): Reply => ({ fields: lines });

/** Asked twice, after some seconds: whether the second answer comes from the cache. */
function reused(requirement: string, reply: Reply, options: { second: Step["from"]; wait?: number }): void {
  const status = reply === "cut" ? 200 : reply.status ?? 200;
  conforms(requirement, [
    { reply, from: "origin", status },
    { wait: options.wait ?? 3, reply, from: options.second, status },
  ]);
}

const STATUSES = [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599];
for (const status of STATUSES) {
  reused(`§3 stores ${status} with explicit freshness`, { status, ...fresh() as object }, { second: "cache" });
  const past = { status, fields: [["expires", -5000], ["date", 0]] } as Reply;
  reused(`§3 does not reuse a stale ${status}`, past, { second: "origin" });
}
for (const status of [200, 203, 204, 404, 405, 410, 414, 501]) {
  const reply = { status, fields: [["last-modified", -86_400], ["date", 0]] } as Reply;
  reused(`§4.2.2 guesses a lifetime for ${status}`, reply, { second: "cache" });
}
for (const status of [201, 202, 403, 502, 503, 504, 599]) {
  const reply = { status, fields: [["last-modified", -86_400], ["date", 0]] } as Reply;
  reused(`§4.2.2 guesses no lifetime for ${status}`, reply, { second: "origin" });
}
reused("§4.2.2 guesses a lifetime for any status that is public", {
  status: 599,
  fields: [["last-modified", -86_400], ["date", 0], ["cache-control", "public"]],
}, { second: "cache" });
reused("§4.2.2 guesses no lifetime without a date to guess from", fields(), { second: "origin" });

reused("§5.2.2.3 stores a known status with must-understand, whatever no-store says", {
  fields: [["cache-control", "max-age=3600, no-store, must-understand"]],
}, { second: "cache" });
reused("§5.2.2.3 does not store an unknown status with must-understand", {
  status: 599,
  fields: [["cache-control", "max-age=3600, no-store, must-understand"]],
}, { second: "origin" });

conforms("§3.1 stores every end-to-end field, and none that Connection names", [
  { reply: fresh(["connection", "a, b"], ["a", "1"], ["b", "2"], ["c", "3"], ["keep-alive", "x"]), from: "origin" },
  { from: "cache", fields: { a: null, b: null, c: "3", "keep-alive": null } },
]);
const KEPT: [string, string][] = [
  ["test-header", "x"],
  ["content-foo", "x"],
  ["content-encoding", "Content-Encoding-value"],
  ["content-location", "/bar"],
  ["content-md5", "N7UdGUp1E+RbVvZSTy1R8g=="],
  ["content-range", "Content-Range-value"],
  ["content-security-policy", "default-src 'self'"],
  ["content-type", "text/plain;charset=utf-8"],
  ["clear-site-data", "cookies"],
  ["etag", '"ghijkl"'],
  ["expires", "Mon, 11 Jan 2038 11:11:11 GMT"],
  ["public-key-pins", "x"],
  ["set-cookie", "a=c"],
  ["set-cookie2", "a=c"],
  ["x-frame-options", "sameorigin"],
];
for (const [name, value] of KEPT) {
  conforms(`§3.1 stores ${name}`, [
    { reply: fresh([name, value]), from: "origin" },
    { wait: 3, from: "cache", fields: { [name]: value } },
  ]);
}
for (
  const name of ["proxy-authenticate", "proxy-authentication-info", "proxy-authorization", "proxy-connection", "te"]
) {
  conforms(`§3.1 does not store ${name}`, [
    { reply: fresh([name, "x"]), from: "origin" },
    { wait: 3, from: "cache", fields: { [name]: null } },
  ]);
}

const user: Step["headers"] = [["authorization", "FOO"]];
conforms("§3.5 does not share the response to Authorization, explicit freshness or not", [
  { headers: user, reply: fields(["expires", 2_592_000], ["date", 0]), from: "origin", sent: { authorization: "FOO" } },
  { from: "origin" },
]);
for (const allowed of ["max-age=3600, public", "max-age=3600, must-revalidate", "s-maxage=3600"]) {
  conforms(`§3.5 shares the response to Authorization with ${allowed}`, [
    { headers: user, reply: fields(["cache-control", allowed], ["date", 0]), from: "origin" },
    { wait: 3, from: "cache" },
  ]);
}

conforms("§4 generates Age, counts it on, and leaves Date and Expires alone", [
  { reply: fields(["expires", "Mon, 11 Jan 2038 11:11:11 GMT"], ["date", 0], ["age", "30"]), from: "origin" },
  {
    wait: 3,
    from: "cache",
    fields: { age: "33", date: "Fri, 02 Jan 2026 03:04:05 GMT", expires: "Mon, 11 Jan 2038 11:11:11 GMT" },
  },
]);
conforms("§2 keeps different queries apart and equal ones together", [
  { target: "/a?x=1", reply: fresh(), from: "origin" },
  { target: "/a?x=2", reply: fresh(), from: "origin" },
  { target: "/a?x=1", from: "cache" },
]);
conforms("§3 reuses a response for requests with other cookies, and keeps Set-Cookie, where that is configured", [
  { reply: fresh(["set-cookie", "a=b"]), from: "origin" },
  { headers: [["cookie", "a=b"]], from: "cache", fields: { "set-cookie": "a=b" } },
]);

const varied = (...names: string[]) =>
  fresh(["last-modified", -3000], ...names.map((name): [string, string] => ["vary", name]));
conforms("§4.1 keeps a response for each value of what Vary names, and looks at nothing else", [
  { headers: [["foo", "1"], ["other", "2"]], reply: { ...varied("Foo") as object, body: "1" }, from: "origin" },
  { headers: [["foo", "2"]], reply: { ...varied("Foo") as object, body: "2" }, from: "origin" },
  { headers: [["foo", "1"], ["other", "3"]], from: "cache", body: "1" },
  { headers: [["foo", "2"]], from: "cache", body: "2" },
  { reply: varied("Foo"), from: "origin" },
  { from: "cache" },
]);
conforms("§4.1 wants every field of a Vary with several to match", [
  { headers: [["foo", "1"], ["bar", "abc"], ["baz", "789"]], reply: varied("Foo, Bar", "Baz"), from: "origin" },
  { headers: [["baz", "789"], ["bar", "abc"], ["foo", "1"]], from: "cache" },
  { headers: [["foo", "1"], ["bar", "abcde"], ["baz", "789"]], reply: varied("Foo, Bar, Baz"), from: "origin" },
  { headers: [["foo", "1"], ["baz", "789"]], reply: varied("Foo, Bar, Baz"), from: "origin" },
  { headers: [["foo", "1"], ["baz", "789"]], from: "cache" },
]);
for (const stars of [["*"], ["*, *"], ["*", "*"], [", *"], ["", "*"], ["*, Foo"], ["Foo, *"]]) {
  conforms(`§4.1 never matches Vary: ${stars.join(" | ")}`, [
    { headers: [["foo", "1"]], reply: varied(...stars), from: "origin" },
    { headers: [["foo", "1"]], reply: varied(...stars), from: "origin" },
  ]);
}
const SAME: [name: string, first: string, second: [string, string][]][] = [
  ["foo", "1, 2", [["foo", "1"], ["foo", "2"]]],
  ["foo", "1,2", [["foo", " 1, 2 "]]],
  ["accept-language", "en, de", [["accept-language", "de, en"]]],
  ["accept-language", "en, de", [["accept-language", "eN, De"]]],
  ["accept-language", "en, de", [["accept-language", " en ,   de"]]],
];
for (const [name, first, second] of SAME) {
  conforms(`§4.1 takes ${name} "${first}" and ${second.map(([, value]) => `"${value}"`).join()} for the same`, [
    { headers: [[name, first]], reply: varied(name), from: "origin" },
    { headers: second, from: "cache" },
  ]);
}

const LIFETIMES: [value: string, second: Step["from"]][] = [
  ["max-age=3600", "cache"],
  ["max-age=2", "origin"],
  ["max-age=0", "origin"],
  ["max-age=2147483647", "cache"],
  ["max-age=2147483648", "cache"],
  ["max-age=99999999999", "cache"],
  ["max-age=003600", "cache"],
  ["max-age=-3600", "origin"],
  ["max-age='3600'", "origin"],
  ["MaX-aGe=3600", "cache"],
  ["foobar, max-age=3600", "cache"],
  ['extension="max-age=3600", max-age=1', "origin"],
  ['max-age=1, extension="max-age=3600"', "origin"],
  ["s-maxage=3600", "cache"],
  ["max-age=3600, s-maxage=1", "origin"],
  ["s-maxage=1, max-age=3600", "origin"],
  ["max-age=1, s-maxage=3600", "cache"],
  ["private, max-age=3600", "origin"],
  ["no-store", "origin"],
  ["No-StOrE, max-age=3600", "origin"],
  ["max-age=10000, no-cache", "origin"],
  ["max-age=10000, No-CaChE", "origin"],
  ["max-age=10000, must-revalidate", "cache"],
];
for (const [value, second] of LIFETIMES) {
  reused(`§4.2.1 takes Cache-Control: ${value}`, fields(["cache-control", value]), { second });
}
reused(
  "§4.2.1 reads Cache-Control over several lines",
  fields(["cache-control", "max-age=3600"], [
    "cache-control",
    "s-maxage=1",
  ]),
  { second: "origin" },
);
const CONFLICTS: [value: string, expires: string | number, second: Step["from"]][] = [
  ["max-age=3600", -7200, "cache"],
  ["max-age=3600", "0", "cache"],
  ["max-age=0", 3600, "origin"],
  ["max-age=0, s-maxage=3600", -10, "cache"],
  ["max-age=10000, no-store", 10_000, "origin"],
];
for (const [value, expires, second] of CONFLICTS) {
  const reply = fields(["cache-control", value], ["expires", expires], ["date", 0]);
  reused(`§5.3 puts ${value} before Expires (${expires})`, reply, { second });
}
reused("§4.2.3 counts Date where Age is missing", fields(["cache-control", "max-age=3600"], ["date", -7200]), {
  second: "origin",
});

const AGES: [lines: string[], second: Step["from"]][] = [
  [["7200"], "origin"],
  [["abc"], "cache"],
  [["-7200"], "cache"],
  [["7200.0"], "cache"],
  [["2147483647"], "origin"],
  [["2147483648"], "origin"],
  [["2147483649"], "origin"],
  [["7200, 0"], "origin"],
  [["0, 7200"], "cache"],
  [["7200", "0"], "origin"],
  [["0", "7200"], "cache"],
  [["0, 0"], "cache"],
  [["0", "0"], "cache"],
  [["360", "360"], "cache"],
];
for (const [lines, second] of AGES) {
  const reply = fresh(...lines.map((value): [string, string] => ["age", value]));
  reused(`§5.1 takes Age: ${lines.join(" | ")}`, reply, { second });
}

const EXPIRES: [value: string | number, second: Step["from"]][] = [
  [2_592_000, "cache"],
  [-2_592_000, "origin"],
  [0, "origin"],
  ["0", "origin"],
  ["Tue, 19 Jan 2038 14:14:08 GMT", "cache"],
  ["Sun, 21 Nov 2286 04:46:39 GMT", "cache"],
  ["Thursday, 18-Aug-50 02:01:18 GMT", "cache"],
  ["Thu Aug  8 02:01:18 2050", "cache"],
  ["THU, 18 Aug 2050 02:01:18 GMT", "cache"],
  ["Thu, 18 AUG 2050 02:01:18 GMT", "cache"],
  ["Thu, 18 Aug 2050 02:01:18 gMT", "cache"],
  ["Thu, 18 Aug 2050 02:01:18 UTC", "origin"],
  ["Thu, 18 Aug 2050 02:01:18 AEST", "origin"],
  ["Thu, 18 Aug 50 02:01:18 GMT", "origin"],
  ["Thu 18 Aug 2050 02:01:18 GMT", "origin"],
  ["Thu, 18  Aug  2050 02:01:18 GMT", "origin"],
  ["Thu, 18-Aug-2050 02:01:18 GMT", "origin"],
  ["Thu, 18 Aug 2050 02.01.18 GMT", "origin"],
  ["Thu, 18 Aug 2050 2:01:18 GMT", "origin"],
];
for (const [value, second] of EXPIRES) {
  reused(`§5.3 takes Expires: ${value}`, fields(["expires", value], ["date", 0]), { second });
}
reused(
  "§5.3 takes of several lines none that is malformed",
  fields(["expires", "Thu, 18 Aug 2050 2:01:18 GMT"], [
    "expires",
    "Thu, 18 Aug 2050 2:01:19 GMT",
  ], ["date", 0]),
  { second: "origin" },
);
reused("§5.3 takes Expires without a Date that is one", fields(["date", "foo"], ["expires", 10]), { second: "cache" });
reused("§5.3 counts Expires from Date, both ahead", fields(["expires", 300], ["date", 400]), { second: "origin" });
reused("§5.3 counts Age against Expires, Date slow", fields(["date", -10], ["expires", 10], ["age", "25"]), {
  second: "origin",
});
reused("§5.3 counts Age against Expires, Date fast", fields(["date", 10], ["expires", 20], ["age", "15"]), {
  second: "origin",
});
