import assert from "node:assert/strict";
import { differenceInWords } from "../../lib/config/difference.ts";
import type { FileValues } from "../../lib/config/config.ts";
import { NOT_SHOWN, shownValues } from "../../lib/config/shown_values.ts";
import { loadText } from "./load_text.ts";

async function valuesOf(text: string): Promise<FileValues> {
  const loaded = await loadText(text);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded.values;
}

const BASE = `
server: { shutdown_grace: 30s }
admin: { token: secret-one-0123456789, tokens: [{ name: grafana, token: secret-two-0123456789, role: metrics }] }
cache: { memory: 256MiB }
pools:
  films:
    type: custom
    health: { fields: { authorization: secret-header } }
    upstreams: [https://one.example, { url: https://two.example, proxy: "http://me:secret-proxy@10.0.0.1:8080" }]
  other: { type: custom, upstreams: [https://three.example] }
  tmdb: { type: tmdb-api, api_keys: [5ec2e7a0000000000000000000000000, 5ec2e7b0000000000000000000000000], upstreams: [https://api.example] }
listeners:
  - name: api
    listen: 127.0.0.1:6635
    pool: films
    auth: { tokens: { kodi: secret-kodi-0123456789 } }
    cache: { rules: [{ path: /a/*, ttl: 30d }] }
    rules: [{ when: { path: /x, query: { q: secret-match } }, request: { set: { x-key: secret-set }, query: { set: { key: secret-query } } } }]
    overrides: [{ path: /y, merge: { name: secret-merge } }]
  - { name: old, listen: 127.0.0.1:6635, prefix: /old, pool: other }
`;

const CHANGES: ReadonlyArray<readonly [from: string, to: string, lines: readonly string[]]> = [
  ["shutdown_grace: 30s", "shutdown_grace: 1500ms", ["server.shutdown_grace: 30s → 1500ms"]],
  ["cache: { memory: 256MiB }", "cache: { disk: 0 }", ["cache.disk: 10GiB → 0"]],
  ["token: secret-one-0123456789", "token: secret-new", ["admin.token: changed (not shown)"]],
  ["role: metrics", "role: read", ['admin.token "grafana": role: metrics → read']],
  ["name: grafana", "name: prometheus", ['admin.token "grafana": removed', 'admin.token "prometheus": added']],
  [
    "[5ec2e7a0000000000000000000000000, 5ec2e7b0000000000000000000000000]",
    "[5ec2e7b0000000000000000000000000, 5ec2e7c0000000000000000000000000]",
    [
      'pool "tmdb": api_keys: 1 added, 1 removed (not shown)',
    ],
  ],
  [
    "[5ec2e7a0000000000000000000000000, 5ec2e7b0000000000000000000000000]",
    "[5ec2e7b0000000000000000000000000, 5ec2e7a0000000000000000000000000]",
    [
      'pool "tmdb": api_keys: another order (not shown)',
    ],
  ],
  ["authorization: secret-header", "authorization: secret-changed", [
    'pool "films": health.fields.authorization: changed (not shown)',
  ]],
  ["secret-proxy@10.0.0.1", "secret-changed@10.0.0.2", [
    'pool "films": upstream https://two.example: proxy: http://[redacted]@10.0.0.1:8080 → http://[redacted]@10.0.0.2:8080',
  ]],
  ["upstreams: [https://one.example,", "upstreams: [https://new.example, { url: https://one.example, weight: 3 },", [
    'pool "films": upstream https://one.example: weight: 1 → 3',
    'pool "films": upstream https://new.example: added',
  ]],
  ["upstreams: [https://three.example] }", "upstreams: [https://three.example], hedge: { max_extra: 0.1 } }", [
    'pool "other": hedge: not set → { after: p95, max_extra: 0.1 }',
  ]],
  ["listen: 127.0.0.1:6635", "listen: 127.0.0.2:6635", [
    'listener "api": listen.address: 127.0.0.1:6635 → 127.0.0.2:6635',
  ]],
  ["ttl: 30d", "ttl: 1h", ['listener "api": cache.rules[0].ttl: 30d → 1h']],
  ["kodi: secret-kodi-0123456789", "kodi: secret-kodi-changed-0", [
    'listener "api": auth.tokens.kodi: 1 added, 1 removed (not shown)',
  ]],
  ["q: secret-match", "q: secret-changed", ['listener "api": rules[0].when.query.q: changed (not shown)']],
  ["x-key: secret-set", "x-other: secret-set", [
    'listener "api": rules[0].request.set.x-key: removed (not shown)',
    'listener "api": rules[0].request.set.x-other: added (not shown)',
  ]],
  ["name: secret-merge", "name: secret-changed", ['listener "api": overrides[0].merge: changed (not shown)']],
  ["- { name: old,", "- { name: new,", [
    'listener "old": removed',
    'listener "new": added',
  ]],
];

Deno.test("differenceInWords() says what has changed as the file calls it, old → new, and shows no credential", async () => {
  const before = await valuesOf(BASE);
  assert.deepEqual(differenceInWords(before, await valuesOf(`# A comment changes nothing\n${BASE}`)), []);
  for (const [from, to, lines] of CHANGES) {
    assert.ok(BASE.includes(from), from);
    const told = differenceInWords(before, await valuesOf(BASE.replace(from, to)));
    assert.deepEqual(told.toSorted(), lines.toSorted(), `${from} → ${to}`);
    assert.doesNotMatch(told.join(), /secret-|5ec2e7/);
  }
});

Deno.test("differenceInWords() tells a bounded number of lines", async () => {
  const listeners = Array.from(
    { length: 300 },
    (_, index) => `  - { name: l${index}, listen: 127.0.0.1:6635, prefix: /l${index}, pool: other }\n`,
  );
  const told = differenceInWords(await valuesOf(BASE), await valuesOf(BASE + listeners.join("")));
  assert.deepEqual([told.length, told.at(-1)], [201, "and 100 more"]);
});

Deno.test("shownValues() has the keys of the file with units and defaults, and no credential in any place", async () => {
  // deno-lint-ignore no-explicit-any -- a configuration as JSON
  const shown = shownValues(await valuesOf(BASE)) as any;
  assert.doesNotMatch(JSON.stringify(shown), /secret-|5ec2e7/);
  assert.deepEqual([shown.server.shutdown_grace, shown.cache.disk, shown.cache.memory], ["30s", "10GiB", "256MiB"]);
  assert.deepEqual([shown.admin.listen, shown.listeners[0].listen.address], ["127.0.0.1:6636", "127.0.0.1:6635"]);
  assert.deepEqual(shown.admin.tokens, [{ name: "grafana", token: NOT_SHOWN, role: "metrics" }]);
  assert.deepEqual(shown.pools.tmdb.api_keys, [NOT_SHOWN, NOT_SHOWN]);
  assert.equal(shown.listeners[0].cache.rules[0].ttl, "30d");
  assert.equal(shown.pools.films.upstreams[1].proxy, "http://[redacted]@10.0.0.1:8080");
});
