import assert from "node:assert/strict";
import { originMatcher } from "../../lib/request/cors.ts";

Deno.test("originMatcher() takes exact origins, names below a host, and any port where that is said", () => {
  const matches = originMatcher(["https://app.example", "https://*.home.example:8443", "http://localhost:*"]);
  const yes = [
    "https://app.example",
    "https://tv.home.example:8443",
    "https://a.b-c.home.example:8443",
    "http://localhost",
    "http://localhost:5173",
  ];
  for (const origin of yes) assert.equal(matches(origin), true, origin);
  const no = [
    "http://app.example",
    "https://app.example:444",
    "https://home.example:8443",
    "https://tv.home.example",
    "https://evilhome.example:8443",
    "https://tv.home.example:8443.evil.example",
    "https://x/.home.example:8443",
    "http://localhost:1234567",
    "http://localhost:80x",
    "null",
    "",
  ];
  for (const origin of no) assert.equal(matches(origin), false, origin);
});

Deno.test("originMatcher() takes dots in names for dots", () => {
  const matches = originMatcher(["https://*.a.example"]);
  assert.equal(matches("https://x.aXexample"), false);
  assert.equal(matches("https://x.a.example"), true);
});

Deno.test("originMatcher() takes all, none, and no end of labels", () => {
  assert.equal(originMatcher(["*"])("null"), true);
  assert.equal(originMatcher([])("https://app.example"), false);
  assert.equal(originMatcher(["https://*.app.example"])(`https://${"a.".repeat(50_000)}app.example`), false);
});
