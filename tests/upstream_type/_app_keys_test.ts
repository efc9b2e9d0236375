import assert from "node:assert/strict";
import { AppKeys } from "../../lib/upstream_type/_app_keys.ts";
import { KEY_CELLS } from "../../lib/upstream_type/_shared_key.ts";
import type { CredentialCounts } from "../../lib/metrics/gateway_metrics.ts";
import type { FieldChange } from "../../lib/upstream_type/upstream_type.ts";
import { readToken, requestFor, typeOptions, unheld, userToken } from "./_requests.ts";

const HEX = "0123456789abcdef0123456789abcdef";
const MINE = "c".repeat(32);
const USE = { shared: true, provesKey: true };

function put(keyMode: "inject-missing" | "replace" | "pass", key: string, target: string, authorization?: string) {
  const keys = new AppKeys(typeOptions({ keyMode, apiKeys: [key] }));
  const request = requestFor(target, { fields: authorization === undefined ? {} : { authorization } });
  const { query, set } = unheld(keys.put(request, USE));
  return [query, set[0] ?? null] as const;
}

Deno.test("AppKeys.put() injects a key where the client sends none", () => {
  assert.deepEqual(put("inject-missing", HEX, "/3/movie/550"), [`api_key=${HEX}`, null]);
  assert.deepEqual(put("inject-missing", HEX, "/3/a?b=%zz&&c=+"), [`b=%zz&&c=+&api_key=${HEX}`, null]);
  assert.deepEqual(put("inject-missing", HEX, "/3/a?api_key=&b=1"), [`b=1&api_key=${HEX}`, null]);
  assert.deepEqual(put("inject-missing", readToken, "/3/a?b=1"), ["b=1", ["authorization", `Bearer ${readToken}`]]);
  assert.deepEqual(put("inject-missing", ` \u200b${HEX}\n`, "/3/a"), [`api_key=${HEX}`, null]);
});

Deno.test("AppKeys.put() leaves a client's own credential alone where it injects", () => {
  assert.deepEqual(put("inject-missing", HEX, `/3/a?api_key=${MINE}&b=1`), [`api_key=${MINE}&b=1`, null]);
  assert.deepEqual(put("inject-missing", HEX, "/3/a?b=1", `Bearer ${readToken}`), ["b=1", null]);
  assert.deepEqual(put("inject-missing", HEX, "/3/a?b=1", `Bearer ${userToken}`), ["b=1", null]);
});

Deno.test("AppKeys.put() puts its key in the place of what cannot be one, in the query, the field or both", () => {
  const removed: FieldChange = ["authorization", null];
  assert.deepEqual(put("inject-missing", HEX, "/3/a?api_key=x&b=1"), [`b=1&api_key=${HEX}`, null]);
  assert.deepEqual(put("inject-missing", HEX, "/3/a?API_KEY=null", "Bearer null"), [`api_key=${HEX}`, removed]);
  assert.deepEqual(put("inject-missing", HEX, "/3/a", "Bearer <your token>"), [`api_key=${HEX}`, removed]);
  const bearer: FieldChange = ["authorization", `Bearer ${readToken}`];
  assert.deepEqual(put("inject-missing", readToken, "/3/a?api_key=your_api_key", "undefined"), ["", bearer]);
  assert.deepEqual(put("pass", HEX, "/3/a?api_key=x", "Bearer null"), ["api_key=x", null]);
});

Deno.test("AppKeys.put() takes what cannot be a key from beside a client's own", () => {
  const removed: FieldChange = ["authorization", null];
  assert.deepEqual(put("inject-missing", HEX, `/3/a?api_key=${MINE}`, "Bearer null"), [`api_key=${MINE}`, removed]);
  assert.deepEqual(put("inject-missing", HEX, `/3/a?api_key=x&b=%zz&api_key=${MINE}`), [`b=%zz&api_key=${MINE}`, null]);
  assert.deepEqual(put("inject-missing", HEX, `/3/a?api_key=${MINE}&b=1&API_KEY`), [`api_key=${MINE}&b=1`, null]);
  for (const token of [readToken, userToken]) {
    assert.deepEqual(put("inject-missing", HEX, "/3/a?api_key=null&b=1", `Bearer ${token}`), ["b=1", null]);
    assert.deepEqual(put("inject-missing", HEX, `/3/a?api_key=${MINE}`, `Bearer ${token}`), [`api_key=${MINE}`, null]);
    assert.deepEqual(put("pass", HEX, "/3/a?api_key=null", `Bearer ${token}`), ["api_key=null", null]);
  }
});

Deno.test("AppKeys.put() replaces an application's credential, never a user's", () => {
  assert.deepEqual(put("replace", HEX, "/3/a?api_key=mine&&b=%zz"), [`&b=%zz&api_key=${HEX}`, ["authorization", null]]);
  assert.deepEqual(put("replace", HEX, "/3/a", `Bearer ${readToken}`), [`api_key=${HEX}`, ["authorization", null]]);
  assert.deepEqual(put("replace", readToken, "/3/a?api_key=mine"), ["", ["authorization", `Bearer ${readToken}`]]);
  assert.deepEqual(put("replace", HEX, `/3/a?api_key=${MINE}`, `Bearer ${userToken}`), [`api_key=${MINE}`, null]);
});

Deno.test("AppKeys.put() puts nothing in where credentials pass, or where there is no key", () => {
  assert.deepEqual(put("pass", HEX, "/3/a?b=1"), ["b=1", null]);
  const none = new AppKeys(typeOptions());
  assert.deepEqual(none.put(requestFor("/3/a?b=1"), USE), { query: "b=1", set: [], credential: null });
});

Deno.test("AppKeys keeps requests of users with one key and learns nothing from their 401s", () => {
  const keys = new AppKeys(typeOptions({ apiKeys: [HEX, "b".repeat(32)] }));
  const user = { shared: false, provesKey: false };
  const credentials = [1, 2, 3].map(() => unheld(keys.put(requestFor("/3/account"), user)).credential!);
  assert.equal(new Set(credentials).size, 1);
  assert.equal(keys.refused(credentials[0]!), "ok");
  assert.deepEqual(keys.states.map(({ state }) => state), ["ready", "ready"]);
  assert.equal(keys.limited(credentials[0]!, "5"), true);
  assert.notEqual(unheld(keys.put(requestFor("/3/account"), user)).credential, credentials[0]);
});

Deno.test("AppKeys turns to another key when one is refused", () => {
  const keys = new AppKeys(typeOptions({ apiKeys: [HEX, "b".repeat(32)] }));
  const first = unheld(keys.put(requestFor("/3/movie/1"), USE));
  assert.equal(keys.refused(first.credential!), "credential");
  const second = unheld(keys.put(requestFor("/3/movie/1"), USE));
  assert.equal(second.query, `api_key=${"b".repeat(32)}`);
  keys.accepted(second.credential!);
  assert.deepEqual(keys.states.map(({ state }) => state), ["refused", "ready"]);
});

Deno.test("AppKeys counts by place what keys were used for and how they were taken, and never by their text", () => {
  const counts = new Map<number, CredentialCounts>();
  const digests: string[] = [];
  const keys = new AppKeys(typeOptions({
    apiKeys: [HEX, "b".repeat(32)],
    credentials: {
      countsOf(place) {
        if (!counts.has(place)) counts.set(place, { requests: 0, limited: 0, refused: 0 });
        return counts.get(place)!;
      },
      cellsOf(digest) {
        digests.push(digest);
        return new Int32Array(KEY_CELLS);
      },
    },
  }));
  assert.deepEqual([...counts.keys()], [1, 2]);
  keys.refused(unheld(keys.put(requestFor("/3/movie/1"), USE)).credential!);
  keys.limited(unheld(keys.put(requestFor("/3/movie/1"), USE)).credential!, "5");
  assert.deepEqual([...counts.values()], [{ requests: 1, limited: 0, refused: 1 }, {
    requests: 1,
    limited: 1,
    refused: 0,
  }]);
  assert.equal(new Set(digests).size, 2);
  assert.ok(digests.every((digest) => !digest.includes(HEX.slice(0, 8)) && !digest.includes("bbbb")));
});

Deno.test("AppKeys.put() says how long to wait where every key is at its limit", () => {
  const credentials = { limits: { per: "pool", maxPerSecond: 10, burst: 1 }, holds: true } as const;
  const keys = new AppKeys(typeOptions({ apiKeys: [HEX], credentials, now: () => 1_000_000 }));
  unheld(keys.put(requestFor("/3/movie/1"), USE));
  assert.deepEqual(keys.put(requestFor("/3/movie/2"), USE), { waitMs: 100 });
  const own = unheld(keys.put(requestFor(`/3/movie/2?api_key=${MINE}`), USE));
  assert.equal(own.credential, null);
});

Deno.test("AppKeys.put() puts no key beside the one that a write brings in its body", () => {
  const keys = new AppKeys(typeOptions({ apiKeys: [HEX] }));
  const json = { "content-type": "application/json; charset=utf-8" };
  const write = (bodyText: string) => ({
    ...requestFor("/3/movie/1/rating", { method: "POST", fields: json }),
    bodyText,
  });
  const user = { shared: false, provesKey: false };
  assert.equal(unheld(keys.put(write(`{"api_key":"${MINE}","value":8}`), user)).credential, null);
  assert.notEqual(unheld(keys.put(write('{"value":8}'), user)).credential, null);
  assert.equal(keys.mayComeInBody(write("")), true);
  assert.equal(
    keys.mayComeInBody(requestFor(`/3/movie/1/rating?api_key=${MINE}`, { method: "POST", fields: json })),
    false,
  );
  assert.equal(keys.mayComeInBody(requestFor("/3/movie/1/rating", { method: "POST" })), false);
  const always = new AppKeys(typeOptions({ apiKeys: [HEX], keyMode: "replace" }));
  assert.equal(always.mayComeInBody(write("")), false);
});
