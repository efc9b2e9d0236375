import assert from "node:assert/strict";
import { type Asked, asking, type FieldRow, type OriginRequest, type Seen, textOf } from "./field_row.ts";

const POISONED = "it reached the origin, and what it was answered was stored for all";

/** The family, each with a value that would show. */
const NAMES = [
  ...[
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
  ],
  ...["X-Forwarded-Prefix", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded-Uri", "X-Forwarded-Whatever"],
  ...["X-Forward-For", "X-Original-URL", "X-Original-Host", "X-Rewrite-URL", "X-Host", "X-HTTP-Method-Override"],
  ...["X-HTTP-Method", "X-Method-Override", "Front-End-Https", "X-Url-Scheme", "X-Scheme", "X-Cluster-Client-IP"],
  ...["True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP", "X-ProxyUser-Ip", "WL-Proxy-Client-IP", "X-Real-IP"],
  ...["X-Client-IP", "X-Azure-ClientIP", "X-Azure-SocketIP", "X-Envoy-External-Address", "X-Originating-IP"],
];
const LIE = "lie-198.51.100.7";

function liesIn({ fields }: OriginRequest): string[] {
  return fields.filter(([, value]) => value.includes(LIE)).map(([name]) => name);
}

function honest({ responses, asked }: Seen): void {
  assert.deepEqual(responses.map(({ status }) => status), responses.map(() => 200));
  for (const one of asked) assert.deepEqual(liesIn(one), []);
}

/** Answers as an application does that sends plain http elsewhere. */
function redirecting({ exchange }: Asked): Promise<void> {
  const { fields } = exchange.head;
  const of = (name: string) => fields.find(([one]) => one === name)?.[1];
  const fresh: [string, string] = ["cache-control", "max-age=60"];
  if (of("x-forwarded-scheme") !== "http" && of("x-forwarded-proto") !== "https") {
    return exchange.reply({ fields: [fresh], body: "page" });
  }
  return exchange.reply({ status: 301, fields: [fresh, ["location", "https://elsewhere.test/"]], body: "moved" });
}

function bodies({ responses }: Seen): string[] {
  return responses.map((one) => textOf(one));
}

/** A6: fields by which a client speaks for a proxy. */
export const proxyFieldRows: readonly FieldRow[] = [
  {
    line: "A6",
    name: "the whole family goes nowhere",
    before: POISONED,
    fellShort: true,
    requests: NAMES.map((name, index) => asking(`GET /a6/all/${index}`, "any.test", [`${name}: ${LIE}`])),
    holds(seen) {
      honest(seen);
      assert.equal(seen.asked.length, NAMES.length);
    },
  },
  {
    line: "A6",
    name: "neither does it with _ for -, in any letter case, or all at once",
    before: POISONED,
    fellShort: true,
    requests: [
      ...NAMES.map((name) => name.replaceAll("-", "_")),
      ...NAMES.map((name) => name.toUpperCase()),
    ].map((name, index) => asking(`GET /a6/spelled/${index}`, "any.test", [`${name}: ${LIE}`, `${name}: ${LIE}`]))
      .concat(
        asking("POST /a6/spelled", "any.test", NAMES.map((name) => `${name}: ${LIE}`)),
      ),
    holds: honest,
  },
  {
    line: "A6",
    name: "one X-Forwarded-Scheme: http makes no redirect that is stored for all",
    before: POISONED,
    fellShort: true,
    requests: [
      asking("GET /a6/redirect", "any.test", ["X-Forwarded-Scheme: http"]),
      asking("GET /a6/redirect", "any.test"),
    ],
    answer: redirecting,
    holds(seen) {
      assert.deepEqual(bodies(seen), ["page", "page"]);
      assert.equal(seen.asked.length, 1);
    },
  },
  {
    line: "A6",
    name: "a GET that says X-HTTP-Method-Override: DELETE is a GET to the origin as well",
    before: POISONED,
    fellShort: true,
    requests: ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"].map((name) =>
      asking("GET /a6/override", "any.test", [`${name}: DELETE`])
    ),
    holds(seen) {
      assert.equal(seen.asked.length, 1);
      assert.ok(!seen.asked[0]!.raw.includes("DELETE"));
    },
  },
  {
    line: "A6",
    name: "a listener lets a field through, and its value is part of the key",
    before: "the first answer was stored for all; no such key",
    fellShort: true,
    requests: ["http", null, "https", "http", null].map((scheme) =>
      asking("GET /a6/let", "let.test", scheme === null ? [] : [`X-Forwarded-Scheme: ${scheme}`])
    ),
    answer: redirecting,
    holds(seen) {
      assert.deepEqual(bodies(seen), ["moved", "page", "page", "moved", "page"]);
      const told = seen.asked.map(({ fields }) => fields.find(([name]) => name === "x-forwarded-scheme")?.[1] ?? null);
      assert.deepEqual(told, ["http", null, "https"]);
    },
  },
  {
    line: "A6",
    name: "it lets no other through",
    before: "all of them reached the origin; no such key",
    fellShort: true,
    requests: [
      asking(
        "GET /a6/others",
        "let.test",
        NAMES.filter((name) => !/scheme|method-o/i.test(name)).map((name) => `${name}: ${LIE}`),
      ),
    ],
    holds: honest,
  },
  {
    line: "A6",
    name: "a target in absolute form says https: what it is answered is not served to http",
    before: "the same: upstreams were told http",
    fellShort: false,
    requests: [
      asking("GET https://any.test/a6/absolute", "any.test"),
      asking("GET /a6/absolute", "any.test"),
      asking("GET http://any.test/a6/absolute", "any.test"),
    ],
    answer: redirecting,
    holds: (seen) => assert.deepEqual(bodies(seen).slice(1), ["page", "page"]),
  },
  {
    line: "A6",
    name: "fields of the client's own pass",
    before: "the same",
    fellShort: false,
    requests: [
      asking("GET /a6/own", "any.test", [
        "X-Requested-With: 1",
        "X-Amzn-Trace-Id: 1",
        "CF-Access-Client-Id: 1",
        "X-Api-Key: 1",
      ]),
    ],
    holds({ asked }) {
      const names = asked[0]!.fields.map(([name]) => name);
      for (const name of ["x-requested-with", "x-amzn-trace-id", "cf-access-client-id", "x-api-key"]) {
        assert.ok(names.includes(name), name);
      }
    },
  },
  {
    line: "A6",
    name: "upstreams are told of the client by the gateway itself",
    before: "the same",
    fellShort: false,
    requests: [asking("GET /a6/told", "any.test", [`X-Forwarded-For: ${LIE}`, `X-Forwarded-Host: ${LIE}`])],
    holds({ asked }) {
      const told = asked[0]!.fields.filter(([name]) => name.startsWith("x-forwarded-"));
      assert.deepEqual(told, [
        ["x-forwarded-for", "127.0.0.1"],
        ["x-forwarded-host", "any.test"],
        ["x-forwarded-proto", "http"],
      ]);
    },
  },
];
