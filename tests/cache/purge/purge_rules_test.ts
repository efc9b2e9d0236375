import assert from "node:assert/strict";
import {
  foldRules,
  globMatcher,
  type PurgeRule,
  PurgeRules,
  type PurgeScope,
  staleSince,
  weightOf,
} from "../../../lib/cache/purge/purge_rules.ts";
import { sampleResponse } from "../store_suite.ts";
import { seededRandom } from "../../seeded_random.ts";
import { sample } from "../stored_sample.ts";
import { assertLinear } from "../../linear_time.ts";

function rule(scope: PurgeScope, timeMs: number, soft = false): PurgeRule {
  return { id: `${timeMs} ${JSON.stringify(scope)}`, scope, soft, timeMs };
}

const stored = sampleResponse("api\0host.example\0/3/movie/550?language=de\0accept:json", {
  requestTimeMs: 1000,
  tags: ["lang:de", "movie:550"],
});

const CASES: ReadonlyArray<readonly [scope: PurgeScope, isPurged: boolean]> = [
  [{ kind: "url", listener: "api", target: "/3/movie/550?language=de" }, true],
  [{ kind: "url", listener: null, target: "/3/movie/550?language=de" }, true],
  [{ kind: "url", listener: "images", target: "/3/movie/550?language=de" }, false],
  [{ kind: "url", listener: "api", target: "/3/movie/550" }, false],
  [{ kind: "url", listener: "api", target: "/3/movie/550?language=de\0accept" }, false],
  [{ kind: "prefix", listener: "api", prefix: "/3/movie/" }, true],
  [{ kind: "prefix", listener: null, prefix: "/3/movie/55" }, true],
  [{ kind: "prefix", listener: "api", prefix: "/3/tv/" }, false],
  [{ kind: "prefix", listener: "ap", prefix: "/3/movie/" }, false],
  [{ kind: "glob", listener: "api", pattern: "/3/movie/*" }, true],
  [{ kind: "glob", listener: "api", pattern: "/3/*" }, false],
  [{ kind: "glob", listener: "api", pattern: "/3/**" }, true],
  [{ kind: "glob", listener: null, pattern: "**?language=de" }, true],
  [{ kind: "glob", listener: "images", pattern: "**" }, false],
  [{ kind: "glob", listener: "api", pattern: "/tmdb/3/movie/*", base: "/tmdb" }, true],
  [{ kind: "glob", listener: "api", pattern: "/3/movie/*", base: "/tmdb" }, false],
  [{ kind: "tag", listener: "api", tag: "movie:550" }, true],
  [{ kind: "tag", listener: null, tag: "lang:de" }, true],
  [{ kind: "tag", listener: "images", tag: "movie:550" }, false],
  [{ kind: "tag", listener: "api", tag: "movie:55" }, false],
  [{ kind: "all", listener: "api" }, true],
  [{ kind: "all", listener: null }, true],
  [{ kind: "all", listener: "images" }, false],
];

for (const [scope, isPurged] of CASES) {
  Deno.test(`PurgeRules.verdict() ${isPurged ? "purges by" : "keeps what is not named by"} ${JSON.stringify(scope)}`, () => {
    assert.equal(new PurgeRules([rule(scope, 1000)]).verdict(stored).kind, isPurged ? "gone" : "keep");
    assert.equal(new PurgeRules([rule(scope, 1000, true)]).verdict(stored).kind, isPurged ? "stale" : "keep");
    assert.equal(new PurgeRules([rule(scope, 999)]).verdict(stored).kind, "keep", "asked for after the purge");
  });
}

Deno.test("PurgeRules.verdict() puts a hard purge above a soft one, and the newest soft one first", () => {
  const scope = { kind: "all", listener: null } as const;
  assert.equal(new PurgeRules([rule(scope, 1001), rule(scope, 1002, true)]).verdict(stored).kind, "gone");
  assert.deepEqual(new PurgeRules([rule(scope, 999), rule(scope, 1002, true)]).verdict(stored), {
    kind: "stale",
    atMs: 1002,
  });
});

Deno.test("PurgeRules.verdict() goes by positions where both have one, whatever the clocks say", () => {
  const scope = { kind: "all", listener: null } as const;
  for (const skewMs of [-60_000, 0, 60_000]) {
    for (const soft of [false, true]) {
      const rules = new PurgeRules([{ ...rule(scope, 1_000 + skewMs, soft), position: 500 }]);
      const verdict = (purgePosition: number) => rules.verdict(stored.with({ purgePosition })).kind;
      assert.deepEqual([499, 500, 501].map(verdict), [soft ? "stale" : "gone", "keep", "keep"], `${skewMs} ms apart`);
    }
  }
});

Deno.test("PurgeRules.verdict() goes by time where a response of an earlier version has no position", () => {
  const rules = new PurgeRules([{ ...rule({ kind: "all", listener: null }, 1_000), position: 3 }]);
  const verdict = (requestTimeMs: number) => rules.verdict(stored.with({ requestTimeMs })).kind;
  assert.deepEqual([999, 1_000, 1_001].map(verdict), ["gone", "gone", "keep"]);
});

Deno.test("PurgeRules.verdict() holds a rule of an earlier version against what has a position by its time", () => {
  const rules = new PurgeRules([rule({ kind: "all", listener: null }, 1_000)]);
  const verdict = (purgePosition: number) => rules.verdict(stored.with({ purgePosition })).kind;
  assert.deepEqual([1, 999 * 4096 + 4095, 1_000 * 4096].map(verdict), ["gone", "gone", "keep"]);
});

Deno.test("foldRules() folds by position, and what it makes purges as much as the newest of them", () => {
  const scope = (n: number): PurgeScope => ({ kind: "url", listener: "api", target: `/${n}` });
  const rules = Array.from({ length: 10 }, (_, n) => ({ ...rule(scope(n), 1_000 - n), position: 100 + n }));
  const [folded, ...rest] = foldRules(rules, 8);
  assert.deepEqual(rest.map(({ position }) => position), [106, 107, 108, 109]);
  assert.deepEqual([folded!.scope.kind, folded!.position, folded!.timeMs], ["all", 105, 1_000]);
});

Deno.test("staleSince() ends the freshness with the purge, and never makes a response fresher", () => {
  const freshness = { ...stored.freshness, initialAgeMs: 100, lifetimeMs: 60_000 };
  const response = stored.with({ responseTimeMs: 1000, freshness });
  assert.equal(staleSince(response, 3000).freshness.lifetimeMs, 2100);
  assert.equal(staleSince(response, 500).freshness.lifetimeMs, 100);
  assert.equal(staleSince(response, 3000).freshness.staleIfErrorMs, freshness.staleIfErrorMs);
  const late = staleSince(response, 100_000);
  assert.deepEqual([late.freshness, late.isPurged], [response.freshness, true]);
  assert.equal(staleSince(late, 200_000), late);
});

Deno.test("globMatcher() tells what matches", () => {
  const cases: ReadonlyArray<readonly [pattern: string, target: string, matches: boolean]> = [
    ["", "", true],
    ["", "/", false],
    ["/a", "/a", true],
    ["/a", "/a?b", true],
    ["/a*", "/a", true],
    ["/a*c", "/abbc", true],
    ["/a*c", "/ab/c", false],
    ["/a**c", "/ab/c", true],
    ["/*/b", "//b", true],
    ["**/x/**", "/a/b/x/c", true],
    ["**/x/**", "/a/b/y/c", false],
    ["/a?b=*", "/a?b=1", true],
    ["/a?b=*", "/a?b=1&c=/", false],
    ["/a.c", "/abc", false],
  ];
  for (const [pattern, target, matches] of cases) {
    assert.equal(globMatcher(pattern)(target), matches, `${pattern} on ${target}`);
  }
});

Deno.test("globMatcher() does not take for ever over a hostile target", () => {
  const matches = globMatcher("**a**a**a**a**a**a**a**b");
  assertLinear((times) => assert.ok(!matches("a".repeat(times * 1_000))));
});

Deno.test("foldRules() purges at least as much as before, with no more rules than asked for", () => {
  const random = seededRandom(5);
  const scopes = (n: number): PurgeScope => {
    const listener = random() < 0.1 ? null : `listener${Math.floor(random() * 4)}`;
    return n % 2 === 0
      ? { kind: "url", listener, target: `/${n % 30}` }
      : { kind: "tag", listener, tag: `tag${n % 9}` };
  };
  const rules = Array.from({ length: 500 }, (_, n) => rule(scopes(n), 1000 + n, random() < 0.5));
  const folded = foldRules(rules, 40);
  assert.ok(folded.length <= 40, `${folded.length} rules`);
  const [before, after] = [new PurgeRules(rules), new PurgeRules(folded)];
  const strength = { keep: 0, stale: 1, gone: 2 };
  for (let n = 0; n < 2000; n++) {
    const key = `listener${n % 5}\0\0/${n % 31}`;
    const response = stored.with({ key, tags: [`tag${n % 10}`], requestTimeMs: 900 + Math.floor(random() * 700) });
    assert.ok(strength[after.verdict(response).kind] >= strength[before.verdict(response).kind]);
  }
  assert.equal(foldRules(rules, 500), rules);
});

Deno.test("foldRules() makes one rule for all listeners of what has more listeners than half of the rules asked for", () => {
  const rules = Array.from(
    { length: 100 },
    (_, n) => rule({ kind: "tag", listener: `l${n % 10}`, tag: `${n}` }, n, n > 1),
  );
  const { length } = foldRules(rules, 20);
  assert.equal(length, 10 + 10);
  const [all, ...others] = foldRules(rules, 19);
  assert.deepEqual([all!.scope, all!.soft, all!.timeMs], [{ kind: "all", listener: null }, false, 90]);
  assert.deepEqual(others, rules.slice(91));
});

Deno.test("a rule over many tags purges what has one of them, on its listener alone", () => {
  const scope = { kind: "tags", listener: "api", tags: ["movie:1", "movie:2"] } as const;
  const rules = new PurgeRules([{ id: "1", scope, soft: true, timeMs: 2_000 }]);
  const verdictOf = (key: string, tags: string[]) => rules.verdict(sample(key, 1, { tags, requestTimeMs: 1_000 })).kind;
  assert.equal(verdictOf("api\0\0/3/movie/2", ["movie:2"]), "stale");
  assert.equal(verdictOf("api\0\0/3/movie/3", ["movie:3"]), "keep");
  assert.equal(verdictOf("api\0\0/3/movie/3", []), "keep");
  assert.equal(verdictOf("other\0\0/3/movie/2", ["movie:2"]), "keep");
});

Deno.test("foldRules() weighs rules over many tags, and folds the oldest of them into all of their listener", () => {
  const rule = (number: number) => ({
    id: `${number}`,
    scope: { kind: "tags", listener: "api", tags: Array.from({ length: 100 }, (_, tag) => `movie:${tag}`) },
    soft: true,
    timeMs: number * 24 * 3_600_000,
  } as const);
  const rules = [1, 2, 3, 4].map(rule);
  assert.equal(foldRules(rules, 20), rules);
  const folded = foldRules(rules, 19);
  assert.deepEqual(folded.map(({ scope, timeMs, soft }) => [scope.kind, timeMs / (24 * 3_600_000), soft]), [
    ["all", 3, true],
    ["tags", 4, true],
  ]);
});

Deno.test("foldRules() first makes the rules over tags of one listener and day one", () => {
  const DAY_MS = 24 * 3_600_000;
  const tagged = (number: number, listener: string, timeMs: number): PurgeRule => ({
    id: `${number}`,
    scope: { kind: "tags", listener, tags: [`movie:${number}`, "movie:0"] },
    soft: true,
    timeMs,
  });
  const many = Array.from({ length: 40 }, (_, number) => tagged(number, "api", DAY_MS * (number % 2) + number));
  const other = rule({ kind: "tag", listener: null, tag: "x" }, 7);
  const folded = foldRules([...many, other, tagged(99, "v4", 5)], 30);
  const shown = folded.map(({ scope, timeMs, soft }) => [
    scope.kind,
    scope.listener,
    scope.kind === "tags" ? scope.tags.length : 0,
    timeMs,
    soft,
  ]);
  assert.deepEqual(
    shown.sort(),
    [
      ["tag", null, 0, 7, false],
      ["tags", "api", 20, 38, true],
      ["tags", "api", 21, DAY_MS + 39, true],
      ["tags", "v4", 2, 5, true],
    ].sort(),
  );
  // Merged once more with what came since.
  const again = foldRules([
    ...folded,
    ...Array.from({ length: 30 }, (_, n) => tagged(200 + n, "api", DAY_MS + 100 + n)),
  ], 30);
  const day = again.find(({ scope, timeMs }) => scope.kind === "tags" && timeMs === DAY_MS + 129);
  assert.ok(day?.scope.kind === "tags" && day.scope.tags.length === 51);
  assert.equal(new Set(again.map(({ id }) => id)).size, again.length);
});

Deno.test("foldRules() purges no less by merging", () => {
  const random = seededRandom(7);
  const pick = (max: number) => Math.floor(random() * max);
  for (let round = 0; round < 50; round++) {
    const rules = Array.from({ length: 60 }, (_, number): PurgeRule => ({
      id: `${number}`,
      scope: {
        kind: "tags",
        listener: pick(2) === 0 ? "a" : null,
        tags: Array.from({ length: 1 + pick(30) }, () => `t:${pick(200)}`),
      },
      soft: pick(3) > 0,
      timeMs: pick(4 * 24 * 3_600_000),
    }));
    const [before, after] = [new PurgeRules(rules), new PurgeRules(foldRules(rules, 40))];
    const worth = { keep: 0, stale: 1, gone: 2 };
    for (let number = 0; number < 100; number++) {
      const requestTimeMs = pick(4 * 24 * 3_600_000);
      const response = sample("a\0\0/x", 1, { tags: [`t:${pick(200)}`], requestTimeMs });
      assert.ok(worth[after.verdict(response).kind] >= worth[before.verdict(response).kind]);
    }
  }
});

Deno.test("PurgeRules find a target in another spelling of the same bytes, by its URL, its beginning and a pattern", () => {
  const spelled = sampleResponse("api\0h\0/caf%c3%a9/%7Euser?q=%e9", { requestTimeMs: 1000 });
  const scopes: ReadonlyArray<readonly [scope: PurgeScope, isPurged: boolean]> = [
    [{ kind: "url", listener: "api", target: "/caf%C3%A9/~user?q=%E9" }, true],
    [{ kind: "url", listener: null, target: "/caf\u00e9/~user?q=%E9" }, true],
    [{ kind: "url", listener: "api", target: "/caf%C3%A9/~user?q=%E8" }, false],
    [{ kind: "prefix", listener: "api", prefix: "/caf%C3%A9/~u" }, true],
    [{ kind: "prefix", listener: "api", prefix: "/caf%C3%A9/~user?" }, true],
    [{ kind: "prefix", listener: "api", prefix: "/caf%C3%A9/user" }, false],
    [{ kind: "glob", listener: "api", pattern: "/%63af\u00e9/*" }, true],
    [{ kind: "glob", listener: "api", pattern: "/x%79/caf%C3%A9/*", base: "/%78y" }, true],
    [{ kind: "glob", listener: "api", pattern: "/caf%C3%A8/*" }, false],
  ];
  for (const [scope, isPurged] of scopes) {
    const { kind } = new PurgeRules([rule(scope, 2000)]).verdict(spelled);
    assert.equal(kind, isPurged ? "gone" : "keep", JSON.stringify(scope));
  }
});

Deno.test("weightOf() counts a rule over tags as one for each twenty of them that are begun", () => {
  const weight = (tags: number) =>
    weightOf(rule({ kind: "tags", listener: "api", tags: Array.from({ length: tags }, (_, tag) => `${tag}`) }, 1));
  assert.deepEqual([1, 20, 21, 40, 41].map(weight), [1, 1, 2, 2, 3]);
});
