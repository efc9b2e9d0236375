import assert from "node:assert/strict";
import { redact } from "../../lib/logging/redact.ts";
import { seededRandom } from "../seeded_random.ts";
import { assertLinear } from "../linear_time.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJhYmMiLCJzdWIiOiIxIn0.c2ln-bmF0_dXJl";
const R = "[redacted]";

const LINES: ReadonlyArray<readonly [text: string, redacted: string]> = [
  [`/3/movie/550?api_key=${KEY}&language=de`, `/3/movie/550?api_key=${R}&language=de`],
  [`/3/search/movie?query=a&api_key=${KEY}`, `/3/search/movie?query=a&api_key=${R}`],
  [`/3/x?API_KEY=${KEY}#f`, `/3/x?API_KEY=${R}#f`],
  [`/3/x?api%5Fkey=${KEY}&a=1`, `/3/x?api%5Fkey=${R}&a=1`],
  [`/3/x?a=1;%61%70%69_key=${KEY}`, `/3/x?a=1;%61%70%69_key=${R}`],
  [
    `/3/account/1/favorite?session_id=${KEY}&guest_session_id=${KEY}&a=b`,
    `/3/account/1/favorite?session_id=${R}&guest_session_id=${R}&a=b`,
  ],
  [`/3/authentication/session/new?request_token=${KEY}`, `/3/authentication/session/new?request_token=${R}`],
  [`/3/guest_session/${KEY}/rated/movies?page=1`, `/3/guest_session/${R}/rated/movies?page=1`],
  ["/3/authentication/guest_session/new", "/3/authentication/guest_session/new"],
  [`/v3/movies/550?client_key=${KEY}`, `/v3/movies/550?client_key=${R}`],
  [
    `/f?X-Amz-Signature=${KEY}&X-Amz-Security-Token=${KEY}&x=1`,
    `/f?X-Amz-Signature=${R}&X-Amz-Security-Token=${R}&x=1`,
  ],
  [`grant=a&client_secret=${KEY}`, `grant=a&client_secret=${R}`],
  [`password=${KEY}`, `password=${R}`],
  [`authorization: Bearer ${TOKEN}`, `authorization: Bearer ${R}`],
  [`Authorization: BASIC dXNlcjpwYXNz==, next`, `Authorization: BASIC ${R}, next`],
  [`the token ${TOKEN} is not valid`, `the token ${R} is not valid`],
  [`{"access_token":"${TOKEN}"}`, `{"access_token":"${R}"}`],
  [`/x/${TOKEN}/y`, `/x/${R}/y`],
  ["Cannot reach socks5://alice:pa55@proxy.example:1080", `Cannot reach socks5://${R}@proxy.example:1080`],
  [`Cannot fetch "https://user@one.example/a?key=${KEY}"`, `Cannot fetch "https://${R}@one.example/a?key=${R}"`],
];

for (const [text, redacted] of LINES) {
  Deno.test(`redact() leaves ${redacted}`, () => {
    assert.equal(redact(text), redacted);
    assert.equal(redact(redacted), redacted, "twice is as good as once");
  });
}

Deno.test("redact() leaves what is no secret", () => {
  const harmless = [
    "",
    "GET",
    "192.0.2.1",
    "/3/search/movie?query=the+secret+garden&page=2&language=de-DE",
    "/3/search/keyword?query=token",
    "/3/movie/550?append_to_response=keywords,images&sort_by=key.desc",
    "usher; hit; ttl=3600; detail=memory",
    "An API key changed its state",
    "/t/p/w500/eyJpc.jpg",
    "http://one.example:8080/a@b",
    "/a%20b?c%3Dd=1",
  ];
  for (const text of harmless) assert.equal(redact(text), text);
});

Deno.test("redact() finds a key among any other parameters (5,000 random queries)", () => {
  const random = seededRandom(7);
  const names = ["api_key", "session_id", "access_token", "apikey", "token", "api%5fkey", "sess%69on_id"];
  const others = ["a=1", "query=x+y", "language=de", "b", "=", "%zz=1", "utm_source=%3D", "page="];
  for (let run = 0; run < 5_000; run++) {
    const pairs = Array.from({ length: Math.floor(random() * 5) }, () => others[Math.floor(random() * others.length)]!);
    const name = names[Math.floor(random() * names.length)]!;
    pairs.splice(Math.floor(random() * (pairs.length + 1)), 0, `${name}=${KEY}`);
    const kept = pairs.map((pair) => pair.endsWith(KEY) ? `${name}=${R}` : pair).join("&");
    assert.equal(redact(`/3/x?${pairs.join("&")}`), `/3/x?${kept}`);
  }
});

Deno.test("redact() takes time that grows with the length alone", () => {
  const pieces = [
    "eyJ-",
    "eyJaaaaaaaa.",
    "://",
    "?%41",
    "&key",
    "?api_key",
    "Bearer ",
    "/guest_session/",
    "a%41=",
    "://a",
    ' "a',
  ];
  for (const piece of pieces) {
    assertLinear((times) => void redact("/" + piece.repeat(times * 25_000 / piece.length)), piece);
  }
});

Deno.test("redact() hides a token before a path, and leaves names of people", () => {
  assert.equal(redact("/~0123456789abcdef/3/movie/550?x=1"), "/~[redacted]/3/movie/550?x=1");
  assert.equal(redact("http://a.example/%7E0123456789abcdef"), "http://a.example/%7E[redacted]");
  assert.equal(redact("/~anna/page"), "/~anna/page");
});
