import assert from "node:assert/strict";
import { Cors, CORS_DEFAULTS, type CorsOptions, originMatcher } from "../../lib/request/cors.ts";
import { type Answered, type AskOptions, withGateway, withOrigin } from "../pipeline/in_process_gateway.ts";

function cors(options: Partial<CorsOptions>): Cors {
  return new Cors({ ...CORS_DEFAULTS, ...options });
}

function reading(fields: Readonly<Record<string, string>>): (name: string) => string | null {
  return (name) => fields[name] ?? null;
}

Deno.test("Cors says the same to all pages where all may read, and nothing where none may", () => {
  const all = cors({});
  assert.equal(new Map(all.fields).get("access-control-allow-origin"), "*");
  assert.equal(all.originFor(reading({ origin: "https://a.example" })), null);
  assert.deepEqual([cors({ origins: [] }).fields, cors({ origins: [] }).preflightFields(reading({}))], [[], []]);
});

Deno.test("Cors lets pages read what the gateway says of a response, and what is configured", () => {
  const exposed = new Map(cors({ expose: ["X-Own"] }).fields).get("access-control-expose-headers")!.split(", ");
  for (
    const name of [
      ...["ETag", "Retry-After", "Age", "Cache-Status", "RateLimit", "RateLimit-Policy", "X-Request-Id", "X-Own"],
    ]
  ) assert.ok(exposed.includes(name), name);
});

Deno.test("Cors.preflightFields() answers by policy", () => {
  const asked = reading({ "access-control-request-headers": "authorization, x-a" });
  const any = new Map(cors({ maxAgeSeconds: 60 }).preflightFields(asked));
  assert.equal(any.get("access-control-allow-headers"), "authorization, x-a");
  assert.equal(any.get("access-control-max-age"), "60");
  const few = new Map(cors({ methods: ["GET"], requestFields: ["X-A", "X-B"] }).preflightFields(asked));
  assert.equal(few.get("access-control-allow-headers"), "X-A, X-B");
  assert.equal(few.get("access-control-allow-methods"), "GET");
  for (const bad of ["a; b", "x".repeat(2_000), ""]) {
    const fields = new Map(cors({}).preflightFields(reading({ "access-control-request-headers": bad })));
    assert.ok(!fields.has("access-control-allow-headers"));
  }
});

Deno.test("Cors.preflightFields() opens a private network only where that is configured, and asked for", () => {
  const asked = reading({ "access-control-request-private-network": "true" });
  const opens = (privateNetwork: boolean, header = asked) =>
    new Map(cors({ privateNetwork }).preflightFields(header)).has("access-control-allow-private-network");
  assert.deepEqual([opens(true), opens(false), opens(true, reading({}))], [true, false, false]);
});

const PAGE = "https://app.example";

function from(origin: string, more: AskOptions = {}): AskOptions {
  return { ...more, headers: { ...more.headers as Record<string, string>, origin } };
}

function allowed({ headers }: Answered): (string | null)[] {
  return [headers.get("access-control-allow-origin"), headers.get("vary")];
}

/** A listener that names its pages, over an origin that says otherwise. */
const LISTED = {
  listeners: [{
    name: "l",
    pool: "p",
    cors: { origins: [PAGE, "https://*.home.example"], credentials: true, expose: ["X-Extra"], max_age: "1h" },
  }],
};

Deno.test("a listener with a list of origins answers each page by name, from the cache too, and stores nothing of it", () =>
  withOrigin(
    (exchange) =>
      exchange.reply({
        fields: [
          ["cache-control", "max-age=60"],
          ["etag", '"1"'],
          ["access-control-allow-origin", "https://upstream.example"],
          ["access-control-allow-methods", "PURGE"],
        ],
        body: "0123456789",
      }),
    async ({ ask }, origin) => {
      const answers = [
        [await ask("/a", from(PAGE)), 200, PAGE],
        [await ask("/a", from("https://tv.home.example")), 200, "https://tv.home.example"],
        [await ask("/a", from("https://evil.example")), 200, null],
        [await ask("/a"), 200, null],
        [await ask("/a", from(PAGE, { headers: { "if-none-match": '"1"' } })), 304, PAGE],
        [await ask("/a", from(PAGE, { headers: { range: "bytes=0-1" } })), 206, PAGE],
        [await ask("/a", from(PAGE, { method: "HEAD" })), 200, PAGE],
        [await ask("/a", from(PAGE)), 200, PAGE],
      ] as const;
      for (const [answer, status, page] of answers) {
        assert.equal(answer.status, status);
        assert.deepEqual(allowed(answer), [page, "Origin"]);
        assert.equal(answer.headers.get("access-control-allow-credentials"), "true");
        assert.match(answer.headers.get("access-control-expose-headers")!, /ETag.*X-Extra/);
        assert.equal(answer.headers.get("access-control-allow-methods"), null);
      }
      assert.equal(origin.heads.length, 1);
    },
    LISTED,
  ));

Deno.test("errors of the gateway's own, and responses that are not stored, carry the listener's CORS fields", () =>
  withOrigin((exchange) => exchange.reset(), async ({ ask }) => {
    for (const options of [from(PAGE), from(PAGE, { method: "POST", body: "x" })]) {
      const failed = await ask("/a", options);
      assert.equal(failed.status, 502);
      assert.deepEqual(allowed(failed), [PAGE, "Origin"]);
    }
  }, { ...LISTED, pool: { retry: { attempts: 1 } } }));

Deno.test("a listener may be off, pass the upstream's word on, or open a custom pool to all pages", () =>
  withOrigin(
    (exchange) =>
      exchange.reply({
        fields: [["cache-control", "max-age=60"], ["access-control-allow-origin", "https://up.example"]],
      }),
    async (_, origin) => {
      const listener = (name: string, policy: unknown) => ({ name, prefix: `/${name}`, pool: "p", cors: policy });
      await withGateway({
        pools: { p: { type: "custom", health: false, upstreams: [origin.url] } },
        listeners: [listener("off", "off"), listener("pass", "pass"), listener("all", "*"), listener("one", PAGE)],
      }, async ({ ask }) => {
        const said = [];
        for (const path of ["/off", "/off", "/pass", "/pass", "/all", "/all", "/one"]) {
          said.push((await ask(path, from(PAGE))).headers.get("access-control-allow-origin"));
        }
        assert.deepEqual(said, [null, null, "https://up.example", "https://up.example", "*", "*", PAGE]);
      });
    },
  ));

Deno.test("pages share one stored response where the listener speaks for itself, whatever the upstream makes of Origin", () =>
  withOrigin(
    (exchange) =>
      exchange.reply({
        fields: [["cache-control", "max-age=60"], ["vary", "Origin, X-Kind"]],
        body: exchange.head.method,
      }),
    async ({ ask }, origin) => {
      assert.equal((await ask("/a", from(PAGE))).status, 200);
      const second = await ask("/a", from("https://tv.home.example"));
      assert.match(second.cacheStatus, /hit/);
      assert.equal(second.headers.get("vary"), "Origin, X-Kind");
      assert.match((await ask("/a")).cacheStatus, /hit/);
      await ask("/a", from(PAGE, { method: "POST", body: "x" }));
      assert.deepEqual(origin.heads.map(({ fields }) => fields.some(([name]) => name === "origin")), [false, true]);
    },
    LISTED,
  ));

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
