import assert from "node:assert/strict";
import type { RuleCondition } from "../../lib/rules/condition.ts";
import { GatewayError } from "../../lib/errors.ts";
import { changedFields } from "../../lib/http/field_changes.ts";
import type { Fields } from "../../lib/http/fields.ts";
import type { RuledRequest } from "../../lib/request/ruling.ts";
import { type RuleOptions, RuleSet } from "../../lib/rules/rule_set.ts";
import { assertLinear } from "../linear_time.ts";
import { seededRandom } from "../seeded_random.ts";
import { type ModelRequest, type ModelRuling, modelRuling } from "./rule_model.ts";

const ANY: RuleCondition = { path: null, methods: [], query: [], fields: [], clients: [], scheme: null };
const NOTHING: RuleOptions = {
  when: ANY,
  request: null,
  response: null,
  redirect: null,
  respond: null,
  pool: null,
  upstream: null,
};
const NO_CHANGE = { fields: [], rewrite: null, query: { remove: [], set: [] } };

function rule(when: Partial<RuleCondition>, deed: Partial<Omit<RuleOptions, "when">>): RuleOptions {
  return { ...NOTHING, when: { ...ANY, ...when }, ...deed };
}

function asked(target: string, more: Partial<ModelRequest> = {}): RuledRequest & ModelRequest {
  const [path = "", query = ""] = target.split("?");
  const request: ModelRequest = {
    method: "GET",
    publicScheme: "http",
    authority: "a.example",
    path,
    query,
    client: "192.0.2.1",
    fields: {},
    ...more,
  };
  return { ...request, header: (name) => request.fields[name] ?? null };
}

/** What rules make of a request, in the words of the model. */
function ruled(rules: RuleSet, request: RuledRequest & ModelRequest): ModelRuling {
  const ruling = rules.judge(request);
  const { reply, request: change, response } = ruling ?? { reply: null, request: null, response: null };
  return {
    applied: ruling?.applied ?? [],
    answer: reply === null ? null : `${reply.status} ${reply.location ?? reply.body}`,
    isFirst: ruling?.isFirst ?? false,
    path: change?.path ?? null,
    query: change?.query ?? null,
    fields: changedFields(Object.entries(request.fields) as Fields, change?.fields ?? [], () => false)
      .map((field) => field.join(": ")).sort(),
    pool: change?.pool ?? null,
    response: response?.fields.map((field) => JSON.stringify(field)) ?? [],
  };
}

/** A made-up rule. */
function madeUpRule(random: () => number, place: number): RuleOptions {
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!;
  const maybe = <T>(share: number, value: () => T, other: T) => random() < share ? value() : other;
  const path = maybe(
    0.8,
    () => pick(["/a", "/a/*", "/a/**", "/**", "/*/b", "/a/*/c", "/v3/**", "*", "/b*/**", "/a/**/c*"]),
    null,
  );
  const places = [...(path ?? "").matchAll(/\*\*?/g)].length;
  const put = places === 0 ? "x" : pick(["x", "$1", `$${places}-$$`]);
  const deed = random();
  return rule({
    path,
    methods: maybe(0.2, () => pick([["GET"], ["GET", "HEAD"], ["POST"]]), []),
    query: maybe(0.25, () => [[pick(["q", "lang"]), pick(["*", "de", "!de", "d*"])] as const], []),
    fields: maybe(0.3, () => {
      const one = () =>
        [pick(["x-app", "x-debug", "user-agent"]), pick(["*", "kodi*", "!Kodi*", "*21*", "!*"])] as const;
      return random() < 0.5 ? [one()] : [one(), one()];
    }, []),
    clients: maybe(0.2, () => pick([["10.0.0.0/8"], ["!10.0.0.0/8"]]), []),
    scheme: maybe(0.1, () => pick(["http", "https"] as const), null),
  }, {
    request: maybe(0.6, () => ({
      fields: maybe(0.6, () => [
        { kind: "remove" as const, name: pick(["x-app", "x-debug"]) },
        { kind: pick(["set", "add"] as const), name: pick(["x-from", "x-debug"]), value: `${place}${put}` },
      ], []),
      rewrite: maybe(0.5, () =>
        pick([
          { from: "^/a/(.*)$", to: "/b/$1" },
          { from: "/v3", to: "/api" },
          { from: "([^/]+)/([^/]+)$", to: "$2/$1" },
          { from: null, to: `/n/${put === "x" ? "x" : "$1"}` },
        ]), null),
      query: {
        remove: maybe(0.3, () => [pick(["q", "utm_*"])], []),
        set: maybe(0.3, () => [["lang", "en"] as const], []),
      },
    }), null),
    response: maybe(0.4, () => ({
      fields: [{ kind: "set" as const, name: "x-rule", value: String(place) }],
      errors: [],
    }), null),
    redirect: deed < 0.1 ? { to: `/new/${put === "x" ? "x" : "$1"}`, status: 308 } : null,
    respond: deed >= 0.1 && deed < 0.2 ? { status: 200, body: `from ${place}`, contentType: "text/plain" } : null,
    pool: deed >= 0.2 && deed < 0.3 ? pick(["other", "third"]) : null,
  });
}

function madeUpRequest(random: () => number): RuledRequest & ModelRequest {
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!;
  const path = pick([
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/a//b",
    "/%61/b",
    "/a%2fb",
    "/a;v=1/b",
    "/v3/x/y",
    "/b1/z",
    "/x/b",
    "/\\a/b",
  ]);
  const query = pick(["", "", "q=1", "lang=de", "q=1&lang=de&q=2", "utm_source=x&q=1", "lang=en&utm_a=1"]);
  const fields = pick<Record<string, string>>([{}, { "x-app": "Kodi 21" }, { "x-app": "other", "x-debug": "1" }, {
    "user-agent": "KODI/21.0",
  }]);
  const client = pick(["10.1.2.3", "192.0.2.1"]);
  const method = pick(["GET", "GET", "HEAD", "POST"]);
  return asked(query === "" ? path : `${path}?${query}`, {
    fields,
    client,
    method,
    publicScheme: pick(["http", "https"]),
  });
}

Deno.test("RuleSet agrees with the model: 100 sets of rules, each in two orders, 40 requests to each", () => {
  const random = seededRandom(20_261_130);
  const counts = { applied: 0, answered: 0, rewritten: 0, elsewhere: 0 };
  for (let turn = 0; turn < 100; turn++) {
    const rules = Array.from({ length: 1 + Math.floor(random() * 12) }, (_, place) => madeUpRule(random, place));
    for (const order of [rules, rules.toSorted(() => random() - 0.5)]) {
      const set = new RuleSet(order);
      for (let count = 0; count < 40; count++) {
        const request = madeUpRequest(random);
        const expected = modelRuling(order, request);
        assert.deepEqual(ruled(set, request), expected, JSON.stringify({ order, request }, null, 1));
        counts.applied += expected.applied.length;
        if (expected.answer !== null) counts.answered++;
        if (expected.path !== null) counts.rewritten++;
        if (expected.pool !== null) counts.elsewhere++;
      }
    }
  }
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 200, `${what}: ${count}`);
});

Deno.test("RuleSet tells apart in keys what is changed differently, and nothing else", () => {
  const set = (value: string) => ({
    request: { ...NO_CHANGE, fields: [{ kind: "set" as const, name: "x-a", value }] },
  });
  const rules = new RuleSet([
    rule({ path: "/a/**" }, set("1")),
    rule({ path: "/b/**" }, set("1")),
    rule({ path: "/c/**" }, set("2")),
    rule({ path: "/d/*" }, set("$1")),
    rule({ path: "/e/**" }, { request: { ...NO_CHANGE, rewrite: { from: null, to: "/x" } } }),
    rule({ path: "/f/**" }, { request: { ...NO_CHANGE, query: { remove: ["utm_*"], set: [] } } }),
    rule({ path: "/g/**" }, { pool: "other" }),
    rule({ path: "/h/**" }, { upstream: "http://one.example" }),
    rule({ path: "/i/**" }, { response: { fields: [{ kind: "set", name: "x", value: "1" }], errors: [] } }),
  ]);
  const key = (target: string) => rules.judge(asked(target))?.request?.key ?? "";
  assert.equal(key("/a/1"), key("/b/2"));
  assert.deepEqual([key("/e/1"), key("/i/1"), key("/z")], ["", "", ""]);
  const different = [key("/a/1"), key("/c/1"), key("/d/7"), key("/d/8"), key("/f/1"), key("/g/1"), key("/h/1")];
  assert.equal(new Set([...different, ""]).size, different.length + 1);
  // What a client adds to its query is not the rule's doing.
  assert.equal(key("/f/1"), key("/f/1?utm_source=x&q=1"));
});

Deno.test("RuleSet leads nobody to another host, whatever the path", () => {
  const rules = new RuleSet([
    rule({ path: "/a/**" }, { redirect: { to: "/$1", status: 302 } }),
    rule({ path: "/b/**" }, { redirect: { to: "https://b.example/$1", status: 302 } }),
  ]);
  const location = (target: string) => rules.judge(asked(target))!.reply!.location!;
  for (
    const evil of [
      "/evil.example",
      "%2fevil.example",
      "\\evil.example",
      "%5cevil.example",
      "%09/evil.example",
      "%0d%0aset-cookie:a",
    ]
  ) {
    for (const prefix of ["/a/", "/b/"]) {
      const target = new URL(location(prefix + evil), "https://own.example/");
      assert.ok(["own.example", "b.example"].includes(target.hostname), location(prefix + evil));
      assert.match(location(prefix + evil), /^[\x21-\x7e]+$/);
    }
  }
  assert.equal(location("/a/x?q=1&r"), "/x?q=1&r");
  assert.equal(location("/b/x?q=1"), "https://b.example/x?q=1");
});

Deno.test("RuleSet makes what the same rules change once, and takes no other rules for the same", () => {
  const response = (value: string) => ({
    response: { fields: [{ kind: "set" as const, name: "x-a", value }], errors: [] },
  });
  const paths = Array.from({ length: 37 }, (_, n) => n === 0 ? "/5/**" : `/${n}/**`);
  const rules = new RuleSet(paths.map((path, n) => rule({ path }, response(String(n)))));
  const judged = (target: string) => rules.judge(asked(target))!;
  // Rules 0 and 5, and rule 36 alone: their places have the same hash.
  for (const [target, places] of [["/5/a", [0, 5]], ["/36/a", [36]], ["/5/b", [0, 5]]] as const) {
    assert.deepEqual(judged(target).applied, places);
    const values = judged(target).response!.fields.map((change) => "value" in change ? change.value : null);
    assert.deepEqual(values, places.map(String));
    assert.equal(judged(target).response, judged(target).response);
  }
});

Deno.test("RuleSet lets no path come to be one with a dot segment", () => {
  const rules = new RuleSet([
    rule({}, { request: { ...NO_CHANGE, rewrite: { from: "^/a(.*)$", to: "/.$1" } } }),
  ]);
  assert.equal(rules.judge(asked("/ab"))!.request!.path, "/.b");
  for (const path of ["/a./admin", "/a%2e/admin", "/a"]) {
    assert.throws(
      () => rules.judge(asked(path)),
      (error) => error instanceof GatewayError && error.code === "bad_request",
    );
  }
});

Deno.test("RuleSet puts nothing into a field or a query that could end it", () => {
  const rules = new RuleSet([
    rule({ path: "/a/**" }, {
      request: {
        ...NO_CHANGE,
        fields: [{ kind: "set", name: "x-a", value: "$1" }],
        query: { remove: [], set: [["p", "$1"], ["é", "a b&c"]] },
      },
    }),
  ]);
  const change = rules.judge(asked("/a/x%0d%0ay: z%26q=1?k=1"))!.request!;
  assert.deepEqual(change.fields, [{ kind: "set", name: "x-a", value: "x%0D%0Ay:%20z&q=1" }]);
  assert.equal(change.query, "k=1&p=x%0D%0Ay%3A%20z%26q%3D1&%C3%A9=a%20b%26c");
});

Deno.test("RuleSet takes linear time for hostile paths, whatever its rules", () => {
  const rules = new RuleSet([
    rule({ path: "/**a*a**a*a**b" }, { request: { ...NO_CHANGE, rewrite: { from: null, to: "/$1" } } }),
    rule({}, { request: { ...NO_CHANGE, rewrite: { from: "(a+)+b", to: "/x" } } }),
    rule({ fields: [["x-a", "*a*a*a*b"]] }, { request: NO_CHANGE }),
  ]);
  assertLinear((times) =>
    rules.judge(asked(`/${"a".repeat(60 * times)}`, { fields: { "x-a": "a".repeat(60 * times) } }))
  );
});

Deno.test("RuleSet.unmet() names the first condition of each rule that does not hold", () => {
  const rules = new RuleSet([
    rule({ methods: ["POST"] }, { pool: "p" }),
    rule({ path: "/b" }, { pool: "p" }),
    rule({ fields: [["x-a", "1"]] }, { pool: "p" }),
    rule({ query: [["q", "1"]] }, { pool: "p" }),
    rule({ clients: ["10.0.0.0/8"] }, { pool: "p" }),
    rule({ scheme: "https" }, { pool: "p" }),
    rule({ path: "/a" }, { pool: "p" }),
  ]);
  assert.deepEqual(rules.unmet(asked("/a")), [
    "method is not POST",
    "path does not match /b",
    "header x-a does not match",
    "query q does not match",
    "client 192.0.2.1 does not fit 10.0.0.0/8",
    "scheme is not https",
    null,
  ]);
});
