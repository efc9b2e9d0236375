import assert from "node:assert/strict";
import {
  beginningInOneSpelling,
  hasDotSegment,
  hostOf,
  inOneSpelling,
  isAuthority,
  patternInOneSpelling,
  splitKeyedPath,
  splitTarget,
} from "../../lib/http/target.ts";
import { seededRandom } from "../seeded_random.ts";
import { assertLinear } from "../linear_time.ts";

function oneOf<T>(random: () => number, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)]!;
}

const SPLITS: ReadonlyArray<readonly [url: string, authority: string, path: string, query: string]> = [
  ["http://h/", "h", "/", ""],
  ["http://h", "h", "/", ""],
  ["http://h?a=/b", "h", "/", "a=/b"],
  ["http://h/a?", "h", "/a", ""],
  ["http://h/a??b=?", "h", "/a", "?b=?"],
  ["https://h:8443/a/b", "h:8443", "/a/b", ""],
  ["HTTP://H/a", "H", "/a", ""],
  ["HtTpS://h/a", "h", "/a", ""],
  ["http://h//a//b/", "h", "//a//b/", ""],
  ["http://h/a%2Fb%zz?x=%41+%20'\"", "h", "/a%2Fb%zz", "x=%41+%20'\""],
  ["http://h/http://other/", "h", "/http://other/", ""],
  ["http://[::1]:80/a", "[::1]:80", "/a", ""],
];

for (const [url, authority, path, query] of SPLITS) {
  Deno.test(`splitTarget() splits ${url} and changes no byte`, () => {
    assert.deepEqual(splitTarget(url), { authority, path, query });
  });
}

Deno.test("splitTarget() refuses what is no URL of http", () => {
  for (const url of ["", "h:80", "/a", "*", "ftps://h/a", "wss://h/a", "htt://h/", "httpx://h/", "http:/h/", "://h"]) {
    assert.equal(splitTarget(url), null, url);
  }
});

Deno.test("splitTarget() takes what a real server shows of absolute-form, origin-form and other schemes", async () => {
  const urls: string[] = [];
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    urls.push(request.url);
    return new Response();
  });
  for (const target of ["/3/a%2fb?q=o's", "http://other.example/x?y", "HTTP://Other/", "ftps://other.example/x"]) {
    using connection = await Deno.connect({ port: server.addr.port, hostname: "127.0.0.1" });
    const request = `GET ${target} HTTP/1.1\r\nHost: own.example\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(request));
    for await (const _ of connection.readable) { /* to the end */ }
  }
  assert.deepEqual(urls.map(splitTarget), [
    { authority: "own.example", path: "/3/a%2fb", query: "q=o's" },
    { authority: "other.example", path: "/x", query: "y" },
    { authority: "Other", path: "/", query: "" },
    null,
  ]);
});

Deno.test("hasDotSegment() finds every spelling of a dot segment between every spelling of its ends", () => {
  const dots = [".", "..", "%2e", "%2E", "%2e.", ".%2E", "%2e%2E", ".%c0%ae", "%E0%80%AE"];
  const slashes = ["/", "\\", "%2f", "%2F", "%5c", "%5C", "%C0%af", "%e0%80%af", "%c1%9c"];
  for (const dot of dots) {
    for (const before of slashes) {
      assert.ok(hasDotSegment(`/3${before}${dot}`), `${before}${dot} at the end`);
      for (const after of [...slashes, ";", "%3B", ";jsessionid=1/"]) {
        assert.ok(hasDotSegment(`/3${before}${dot}${after}x`), `${before}${dot}${after}`);
      }
    }
  }
});

Deno.test("hasDotSegment() lets names with dots pass", () => {
  const fine = [
    "/",
    "/3/movie/550",
    "/.well-known/x",
    "/...",
    "/a..b",
    "/a../b",
    "/..a",
    "/%2e%2e%2e",
    "/a%2e%2e",
    "/a;..",
    "/a%20b",
    "/100%",
  ];
  for (const path of fine) assert.equal(hasDotSegment(path), false, path);
});

Deno.test("hasDotSegment() agrees with decoding and splitting (200,000 random paths)", () => {
  const random = seededRandom(3986);
  const pieces = [".", ".", "%2e", "%2E", "/", "/", "%2f", "\\", "%5C", ";", "a", "%", "%2", "2e", "%252e", "é"];
  const naive = (path: string) =>
    path.replaceAll(/%2e/gi, ".").replaceAll(/%2f|%5c|\\/gi, "/").split("/")
      .map((segment) => segment.split(";")[0]).some((segment) => segment === "." || segment === "..");
  let found = 0;
  for (let run = 0; run < 200_000; run++) {
    const path = "/" + Array.from({ length: 1 + Math.floor(random() * 9) }, () => oneOf(random, pieces)).join("");
    const expected = naive(path);
    if (expected) found++;
    if (hasDotSegment(path) !== expected) assert.fail(`${path}: expected ${expected}`);
  }
  assert.ok(found > 10_000, `${found} of them had one`);
});

Deno.test("hasDotSegment() takes time that grows with the length alone", () => {
  for (const piece of ["/.", "%2e", "%2", "/%2e%2", "\\."]) {
    const paths = ([1, 4] as const).map((times) => "/" + piece.repeat(times * 4_096 / piece.length) + "x");
    assertLinear((times) => {
      for (let run = 0; run < 20; run++) hasDotSegment(paths[times === 1 ? 0 : 1]!);
    }, piece);
  }
});

Deno.test("isAuthority() takes names, addresses and ports, and nothing that ends or begins another part", () => {
  for (
    const text of [
      "h",
      "a.example",
      "A-b_c.example.:80",
      "127.0.0.1:1",
      "[::1]",
      "[2001:db8::1]:65535",
      "[::ffff:1.2.3.4]",
    ]
  ) {
    assert.equal(isAuthority(text), true, text);
  }
  const bad = [
    "",
    ":80",
    "a b",
    "a/b",
    "a\\b",
    "user@a",
    "a?b",
    "a#b",
    "a:b",
    "a:123456",
    "a:80:80",
    "::1",
    "[::1",
    "[x]",
    'a"',
    "a\n",
    "é",
    "a%2fb",
  ];
  for (const text of [...bad, "a".repeat(262)]) assert.equal(isAuthority(text), false, text);
});

Deno.test("hostOf() is the name in lower case, without port and root dot", () => {
  const hosts: Record<string, string> = {
    "API.Example": "api.example",
    "api.example.": "api.example",
    "api.example.:80": "api.example",
    "[2001:DB8::1]:80": "[2001:db8::1]",
    "[::1]": "[::1]",
    "127.0.0.1:80": "127.0.0.1",
    "": "",
  };
  for (const [authority, host] of Object.entries(hosts)) assert.equal(hostOf(authority), host, authority);
});

Deno.test("inOneSpelling() is one text for spellings of the same bytes (RFC 3986 §6.2.2)", () => {
  const alike: readonly (readonly string[])[] = [
    ["/caf%C3%A9", "/caf%c3%a9", "/café", "/c%61f%C3%A9", "/caf%C3%A9?"],
    ["/a-b._~c?d=e", "/%61%2Db%2e%5F%7ec?%64=%65"],
    ["/a%2Fb", "/a%2fb"],
    ["/a%20b?c=%22", '/a b?c="'],
    ["/a,b:(c)*'!$@[1]", "/a%2Cb%3A%28c%29%2A%27%21%24%40%5b1%5D"],
    ["/a&b=c+d;e", "/a%26b%3Dc%2Bd%3be"],
    ["/a?to=/b?c,d:e", "/a?to=%2Fb%3fc%2cd%3Ae"],
    ["/\u017f\u212a", "/%C5%BF%E2%84%AA"],
    ["/%", "/%"],
    ["/%e", "/%e"],
  ];
  for (const [first = "", ...others] of alike) {
    for (const other of others) assert.equal(inOneSpelling(other), inOneSpelling(first), `${first} | ${other}`);
  }
});

Deno.test("inOneSpelling() keeps apart what is not the same", () => {
  const different = [
    "/a/b",
    "/a%2Fb",
    "/a%252Fb",
    "/a?b",
    "/a%3Fb",
    "/a+b",
    "/a%20b",
    "/a?b=c&d",
    "/a?b=c%26d",
    "/a?b%3Dc&d",
    "/a?b=c+d",
    "/a?b=c%2Bd",
    "/a?b=c;d",
    "/a?b=c%3Bd",
    "/a?b=?",
    "/a?b=",
    "/A/b",
    "/a//b",
    "/a/b/",
  ];
  assert.equal(new Set(different.map(inOneSpelling)).size, different.length);
  assert.equal(beginningInOneSpelling("/%61?"), "/a?");
  assert.ok(inOneSpelling("/a?b=?c").startsWith(beginningInOneSpelling("/a?b=?")));
});

Deno.test("patternInOneSpelling() leaves wildcards as they are, and escapes an asterisk that is none", () => {
  assert.equal(patternInOneSpelling("/%61,*/%2a?b=**"), "/a%2C*/%2A?b=**");
  assert.equal(inOneSpelling("/a*"), "/a%2A");
});

Deno.test("inOneSpelling() finds what a target was before any of its bytes was escaped (seeded)", () => {
  const random = seededRandom(3986);
  const letters = "abcXYZ019-._~/?&=:@!$'()*,;";
  for (let turn = 0; turn < 2_000; turn++) {
    const target = `/${Array.from({ length: 12 }, () => letters[Math.floor(random() * letters.length)]).join("")}`;
    const spelled = Array.from(target, (letter) => {
      if (!/[\w.~!$'()*,:@-]/.test(letter) || random() < 0.5) return letter;
      const hex = letter.charCodeAt(0).toString(16);
      return `%${random() < 0.5 ? hex : hex.toUpperCase()}`;
    }).join("");
    assert.equal(inOneSpelling(spelled), inOneSpelling(target), `${target} | ${spelled}`);
    if (!target.endsWith("?")) assert.equal(inOneSpelling(inOneSpelling(spelled)), inOneSpelling(spelled));
  }
});

const TOKEN = "abc.DEF_~-0123456";

Deno.test("splitKeyedPath() takes a token off the front, and no other byte", () => {
  const paths: ReadonlyArray<readonly [string, string]> = [
    [`/~${TOKEN}/3/movie/550`, "/3/movie/550"],
    [`/%7E${TOKEN}/t/p//a%2fb`, "/t/p//a%2fb"],
    [`/%7e${TOKEN}//3`, "//3"],
    [`/~${TOKEN}/`, "/"],
    [`/~${TOKEN}`, "/"],
  ];
  for (const [path, rest] of paths) assert.deepEqual(splitKeyedPath(path), { token: TOKEN, path: rest }, path);
});

Deno.test("splitKeyedPath() leaves every other path alone", () => {
  const others = ["/", "/~", "/3/movie/550", "/~anna/page", `/3/~${TOKEN}`, `/~${TOKEN}%2f3`, `/~${"x".repeat(257)}/3`];
  for (const path of others) assert.equal(splitKeyedPath(path), null, path);
});
