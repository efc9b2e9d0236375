import assert from "node:assert/strict";
import { MAX_DELTA_SECONDS } from "../../lib/http/cache_control.ts";
import { surrogateDirectives, targetedDirectives } from "../../lib/http/targeted_cache_control.ts";

Deno.test("targetedDirectives() reads a structured dictionary of directives (RFC 9213 §2.1)", () => {
  assert.equal(targetedDirectives("max-age=3600")?.maxAgeSeconds, 3600);
  assert.equal(targetedDirectives("max-age=2147483648")?.maxAgeSeconds, MAX_DELTA_SECONDS);
  assert.equal(targetedDirectives("max-age=99999999999")?.maxAgeSeconds, MAX_DELTA_SECONDS);
  assert.equal(targetedDirectives("foobar, max-age=3600;x=1")?.maxAgeSeconds, 3600);
  assert.equal(targetedDirectives("max-age=1, max-age=2")?.maxAgeSeconds, 2, "of repeated keys the last counts");
  const all = targetedDirectives(
    "s-maxage=1, stale-while-revalidate=2, stale-if-error=3, no-store, no-cache, private, public, must-revalidate, " +
      "proxy-revalidate, must-understand, no-transform",
  );
  assert.deepEqual(all, {
    maxAgeSeconds: null,
    sMaxageSeconds: 1,
    staleWhileRevalidateSeconds: 2,
    staleIfErrorSeconds: 3,
    noStore: true,
    noCache: true,
    private: true,
    public: true,
    mustRevalidate: true,
    proxyRevalidate: true,
    mustUnderstand: true,
    noTransform: true,
  });
});

Deno.test("targetedDirectives() acts as if a broken or empty field were not there (RFC 9213 §2.1)", () => {
  const broken = [
    null,
    "",
    "  ",
    "max-age=10000, &&&&&",
    "max-age =100",
    "max-age= 100",
    "MaX-aGe=3600",
    'max-age="10000"',
    "max-age=1.5",
    "max-age=-1",
    "max-age",
    "max-age=60, stale-if-error=x",
    "max-age=60,",
  ];
  for (const text of broken) assert.equal(targetedDirectives(text), null, String(text));
});

Deno.test("targetedDirectives() reads field names in every form a dictionary has", () => {
  const cases: [text: string, expected: boolean | string[]][] = [
    ['private="Set-Cookie, X-User"', ["set-cookie", "x-user"]],
    ['private=("Set-Cookie" x-user)', ["set-cookie", "x-user"]],
    ["private=set-cookie", ["set-cookie"]],
    ["private=?0", false],
    ["private=1", true],
    ["private=()", true],
    ['private=""', true],
  ];
  for (const [text, expected] of cases) assert.deepEqual(targetedDirectives(text)?.private, expected, text);
});

Deno.test("surrogateDirectives() reads max-age, its extension and no-store (W3C Edge Architecture)", () => {
  assert.equal(surrogateDirectives("max-age=3600")?.maxAgeSeconds, 3600);
  assert.equal(surrogateDirectives("MaX-aGe=3600")?.maxAgeSeconds, 3600);
  assert.equal(surrogateDirectives("foobar, max-age=3600")?.maxAgeSeconds, 3600);
  assert.equal(surrogateDirectives("no-store")?.noStore, true);
  const extended = surrogateDirectives("max-age=600+30");
  assert.equal(extended?.maxAgeSeconds, 600);
  assert.equal(extended?.staleWhileRevalidateSeconds, 30);
  assert.equal(extended?.staleIfErrorSeconds, 30);
  assert.equal(surrogateDirectives("max-age =100")?.maxAgeSeconds, 0, "malformed counts as stale");
  for (const text of [null, "", 'content="ESI/1.0"', "foo"]) assert.equal(surrogateDirectives(text), null);
});
