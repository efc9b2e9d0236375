import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ClientAuth, type ClientAuthOptions } from "../../lib/request/client_auth.ts";
import { ClientRate } from "../../lib/request/client_rate.ts";
import { newClientMemory } from "../../lib/request/client_table.ts";
import { RequestFields } from "../../lib/http/request_fields.ts";
import { splitTarget } from "../../lib/http/target.ts";

const KODI = "5f3c9a1e7b2d4068aa51c0de93b7f642";
const TV = "tv.room_~token-0001";

function auth(more: Partial<ClientAuthOptions> = {}): ClientAuth {
  const sha256 = (token: string) => createHash("sha256").update(token).digest("hex");
  return new ClientAuth({
    tokens: [{ client: "kodi", sha256: sha256(KODI) }, { client: "tv", sha256: sha256(TV) }],
    header: "x-usher-token",
    bearer: true,
    query: ["usher_token", "api_key"],
    path: true,
    sharedCaches: false,
    failures: new ClientRate(newClientMemory(), {
      ...{ listener: "tokens of l", requests: 2, perMs: 60_000, burst: 2 },
      ...{ header: null, ipv4Prefix: 32, ipv6Prefix: 64 },
    }),
    ...more,
  });
}

interface Asked {
  readonly target?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly pathToken?: string;
  readonly options?: Partial<ClientAuthOptions>;
}

/** What is made of a request: whose it is, its target, and the fields that are left. */
function identified({ target = "/3/movie/550", fields = {}, pathToken, options }: Asked) {
  const request = new Request(`http://gateway.test${target}`, { headers: fields });
  const list = [...request.headers];
  const seen = new RequestFields({ header: (name) => request.headers.get(name), list: () => list });
  const identity = auth(options).identify({
    target: splitTarget(request.url)!,
    fields: seen,
    pathToken: pathToken ?? null,
  });
  const { client, wrong, hasToken } = identity;
  return {
    client,
    isWrong: wrong.length > 0,
    hasToken,
    target: identity.target.path + (identity.target.query === "" ? "" : `?${identity.target.query}`),
    fields: Object.fromEntries(seen.list()),
    header: (name: string) => seen.header(name),
  };
}

Deno.test("ClientAuth finds a token in its field, as Bearer, in the query and before the path, and takes it out", () => {
  const places: Asked[] = [
    { fields: { "x-usher-token": ` ${KODI} ` } },
    { fields: { authorization: `Bearer ${KODI}` } },
    { fields: { authorization: `bEARER   ${KODI} ` } },
    { target: `/3/movie/550?api_key=${KODI}` },
    { target: `/3/movie/550?usher_token=${KODI}` },
    { target: `/3/movie/550?api%5Fkey=%35${KODI.slice(1)}` },
    { pathToken: KODI },
  ];
  for (const place of places) {
    const found = identified(place);
    assert.equal(found.client, "kodi", JSON.stringify(place));
    assert.equal(found.target, "/3/movie/550");
    assert.deepEqual(found.fields, {});
    assert.equal(found.isWrong, false);
  }
});

Deno.test("ClientAuth leaves every other byte of the query, and a key that is no token", () => {
  const left = (query: string) => identified({ target: `/3/a?${query}` }).target;
  assert.equal(left(`api_key=${KODI}&&language=zh&x=%2c+`), "/3/a?&language=zh&x=%2c+");
  assert.equal(left(`a=1&usher_token=&b=2&usher_token=wrong`), "/3/a?a=1&b=2");
  const both = identified({ target: "/3/a?api_key=my-own-key", fields: { "x-usher-token": KODI } });
  assert.equal(both.target, "/3/a?api_key=my-own-key");
  assert.equal(both.client, "kodi");
  assert.equal(identified({ target: `/3/a?api_key=own&api_key=${KODI}` }).target, "/3/a?api_key=own");
  assert.equal(left(`api_key=%E0%A4%A&b`), "/3/a?api_key=%E0%A4%A&b");
});

Deno.test("ClientAuth leaves a foreign Authorization in place", () => {
  const { client, fields } = identified({ fields: { "authorization": "Bearer of-tmdb", "x-usher-token": TV } });
  assert.equal(client, "tv");
  assert.deepEqual(fields, { authorization: "Bearer of-tmdb" });
  assert.equal(identified({ fields: { authorization: `Basic ${KODI}` } }).client, null);
});

Deno.test("ClientAuth hides every field that repeats the token, and the page's address", () => {
  const found = identified({
    target: `/3/a?api_key=${encodeURIComponent(TV)}`,
    fields: {
      "x-original-uri": `/3/a?api_key=${TV}`,
      "referer": "http://gateway.test/~other/page",
      "x-request-id": TV,
      "accept": "*/*",
    },
  });
  assert.deepEqual(found.fields, { accept: "*/*" });
  assert.equal(found.header("x-request-id"), null);
  assert.equal(found.header("accept"), "*/*");
});

Deno.test("ClientAuth takes a valid token out of every parameter that repeats it", () => {
  const options = { query: [] };
  const left = (target: string) => identified({ target, fields: { "x-usher-token": KODI }, options }).target;
  assert.equal(left(`/3/a?api_key=${KODI}&b=1&c=x${KODI}`), "/3/a?b=1");
  assert.equal(left(`/3/a?b=${KODI.slice(1)}&&c`), `/3/a?b=${KODI.slice(1)}&&c`);
  assert.equal(identified({ target: `/3/a?x=${TV}&usher_token=${TV}` }).target, "/3/a");
});

Deno.test("ClientAuth heeds no place that is turned off", () => {
  const options = { bearer: false, query: [], path: false };
  for (const place of [{ fields: { authorization: `Bearer ${KODI}` } }, { pathToken: KODI }]) {
    assert.equal(identified({ ...place, options }).client, null);
  }
  const query = identified({ target: `/a?api_key=${KODI}`, options });
  assert.equal(query.client, null);
  assert.equal(query.target, `/a?api_key=${KODI}`);
  assert.equal(identified({ options }).hasToken, false);
});

Deno.test("ClientAuth tells wrong tokens from none, and takes no long list of them", () => {
  assert.deepEqual([identified({}).hasToken, identified({}).isWrong], [false, false]);
  assert.equal(identified({ fields: { "x-usher-token": "" } }).hasToken, false, "an unset variable is no guess");
  const wrong = identified({ fields: { "x-usher-token": `${KODI}x` } });
  assert.deepEqual([wrong.client, wrong.hasToken, wrong.isWrong], [null, true, true]);
  const many = Array.from({ length: 8 }, (_, place) => `api_key=guess${place}`).join("&");
  const ninth = `/a?${many}&api_key=${KODI}`;
  assert.deepEqual([identified({ target: ninth }).client, identified({ target: ninth }).target], [null, ninth]);
  assert.equal(identified({ fields: { "x-usher-token": "x".repeat(9_000) } }).client, null);
  for (const name of ["", "constructor", "__proto__"]) {
    assert.equal(identified({ fields: { "x-usher-token": name } }).client, null);
  }
});

Deno.test("ClientAuth takes no token whose hash differs from a known one in any digit", () => {
  const sha256 = createHash("sha256").update(KODI).digest("hex");
  const clientFor = (known: string) =>
    identified({ fields: { "x-usher-token": KODI }, options: { tokens: [{ client: "kodi", sha256: known }] } }).client;
  assert.equal(clientFor(sha256), "kodi");
  for (let at = 0; at < sha256.length; at++) {
    const other = (parseInt(sha256[at]!, 16) ^ 1).toString(16);
    assert.equal(clientFor(sha256.slice(0, at) + other + sha256.slice(at + 1)), null, `digit ${at}`);
  }
});

Deno.test("ClientAuth blocks an address by different wrong tokens only, and for its own time", () => {
  const door = auth();
  const at = (nowMs: number) => door.blockedSeconds("192.0.2.1", nowMs);
  assert.equal(at(1_000_000), 0);
  for (let turn = 0; turn < 10; turn++) door.failed(["one"], "192.0.2.1", 1_000_000);
  assert.equal(at(1_000_000), 0);
  door.failed(["two"], "192.0.2.1", 1_000_000);
  assert.equal(at(1_000_000), 30);
  assert.equal(door.blockedSeconds("192.0.2.2", 1_000_000), 0);
  assert.equal(at(1_030_000), 0);
  assert.equal(at(1_100_000), 0);
});

Deno.test("ClientAuth names the scheme of its challenge", () => {
  assert.equal(auth().challenge, 'Bearer realm="usher"');
  assert.equal(auth({ bearer: false }).challenge, 'Token realm="usher"');
});
