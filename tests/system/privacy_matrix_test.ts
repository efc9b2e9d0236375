import assert from "node:assert/strict";
import { fieldValue } from "../../lib/http/fields.ts";
import { startScriptedGateway } from "./_scripted_gateway.ts";
import { customPool } from "./test_config.ts";
import { fetched } from "./_gateway.ts";

/** What marks a response as one user's, and how that user asks for it. */
interface Mark {
  readonly what: string;
  /** Fields of the response, for the user named. */
  readonly says: (user: string) => [string, string][];
  readonly asks: (user: string) => Record<string, string>;
}

const fresh: [string, string] = ["cache-control", "max-age=600"];
const MARKS: readonly Mark[] = [
  { what: "Authorization", says: () => [fresh], asks: (user) => ({ authorization: `Bearer ${user}` }) },
  { what: "Authorization, ttl 0", says: () => [], asks: (user) => ({ authorization: `Basic ${user}` }) },
  { what: "Cookie", says: () => [fresh], asks: (user) => ({ cookie: `sid=${user}` }) },
  { what: "private", says: () => [["cache-control", "private, max-age=600"]], asks: (user) => ({ "x-user": user }) },
  { what: "no-store", says: () => [["cache-control", "no-store"]], asks: (user) => ({ "x-user": user }) },
  { what: "Vary: Cookie", says: () => [fresh, ["vary", "Cookie"]], asks: (user) => ({ cookie: `sid=${user}` }) },
  { what: "Vary: X-User", says: () => [fresh, ["vary", "X-User"]], asks: (user) => ({ "x-user": user }) },
  { what: "Vary: *", says: () => [fresh, ["vary", "*"]], asks: (user) => ({ "x-user": user }) },
  { what: "Set-Cookie", says: (user) => [fresh, ["set-cookie", `sid=${user}`]], asks: (user) => ({ "x-user": user }) },
  {
    what: "CDN-Cache-Control: private",
    says: () => [fresh, ["cdn-cache-control", "private"]],
    asks: (user) => ({ "x-user": user }),
  },
  {
    what: "Surrogate-Control: no-store",
    says: () => [fresh, ["surrogate-control", "no-store"]],
    asks: (user) => ({ "x-user": user }),
  },
];

/** Rules of every kind; some apply to some of the shapes only, and all that rules can say to caches is said. */
const RULES = [
  { request: { rewrite: { from: "^/(.*)$", to: "/$1" }, query: { set: { x: "1" }, remove: ["utm_*"] } } },
  { when: { path: "/*", header: { range: "*" } }, request: { set: { "x-from": "$1" }, remove: ["range"] } },
  { when: { header: { "if-none-match": "*" } }, request: { add: { "x-more": "1" }, remove: ["if-*"] } },
  { when: { header: { "accept-encoding": "gzip" } }, pool: "other" },
  { when: { header: { "cache-control": "*" } }, upstream: "UPSTREAM" },
  {
    response: {
      set: { "cache-control": "public, max-age=600, s-maxage=600", expires: "Fri, 01 Jan 2100 00:00:00 GMT" },
      add: { vary: "Accept-Language" },
      remove: ["pragma", "cdn-*", "surrogate-control"],
      status: { "400-599": "an error" },
    },
  },
];

/** Ways of caching that never give one user's response to another; how long they would keep what may be shared. */
const MODES: Readonly<Record<string, Record<string, unknown>>> = {
  rfc9111: { mode: "rfc9111" },
  ttl: {
    mode: "ttl",
    rules: [{ status: "200-599", ttl: "1h", min_ttl: "1h", stale_while_revalidate: "1h", stale_if_error: "1h" }],
  },
  off: { mode: "off" },
  "fetch-full, compressed": { mode: "rfc9111", range: "fetch-full", compress: { enabled: true, min_size: 1 } },
  "rules of every kind": { mode: "rfc9111" },
  "rules of every kind, ttl": { mode: "ttl", rules: [{ ttl: "1h" }] },
  "a cookie in the key": { mode: "ttl", rules: [{ ttl: "1h" }], cookies: { key: ["sid"] } },
};

/** How requests come that ask for the same in other words. */
const SHAPES: readonly Record<string, string>[] = [
  {},
  { range: "bytes=0-199" },
  { "if-none-match": '"none"' },
  { "accept-encoding": "gzip" },
  { "cache-control": "max-stale=9999" },
];

Deno.test("user B never gets user A's bytes, in any mode, whatever marks them and however B asks", async (t) => {
  await using stack = new AsyncDisposableStack();
  const { gateway } = await startScriptedGateway(
    stack,
    async (exchange) => {
      const { fields, target } = exchange.head;
      const mark = MARKS[Number(target.split("/")[1])]!;
      const told = ["authorization", "cookie", "x-user"].map((name) => fieldValue(fields, name) ?? "").join("");
      const user = /alice|bob/.exec(told)?.[0] ?? "nobody";
      await exchange.wait(5);
      const lines: [string, string][] = [["content-type", "text/plain"], ["etag", `"${user}"`], ...mark.says(user)];
      await exchange.reply({ fields: lines, body: `${user} `.repeat(100) });
    },
    (url) => ({
      pools: { any: customPool([url]), other: customPool([`${url}/`]) },
      listeners: Object.entries(MODES).map(([mode, cache], index) => ({
        name: `mode-${index}`,
        prefix: `/m${index}`,
        strip_prefix: true,
        pool: "any",
        cache,
        rules: mode.startsWith("rules") ? JSON.parse(JSON.stringify(RULES).replace("UPSTREAM", url)) : [],
      })),
    }),
  );
  for (const [modeIndex, mode] of Object.keys(MODES).entries()) {
    for (const [markIndex, { what, asks }] of MARKS.entries()) {
      await t.step(`${mode}: ${what}`, async () => {
        const url = `${gateway.url}/m${modeIndex}/${markIndex}`;
        for (let turn = 0; turn < 2; turn++) {
          await Promise.all(["alice", "bob"].flatMap((user) =>
            SHAPES.map(async (shape) => {
              const { bytes, headers } = await fetched(url, { headers: { ...shape, ...asks(user) } });
              const other = user === "alice" ? "bob" : "alice";
              const seen = new TextDecoder().decode(bytes) + JSON.stringify([...headers]);
              assert.doesNotMatch(seen, new RegExp(other), JSON.stringify(shape));
              // No cache in front is told to keep what is one user's, either.
              const isShared = /public|s-maxage/.test(headers.get("cache-control") ?? "");
              if (mode.startsWith("rules") && isShared) assert.match(headers.get("vary") ?? "", /X-User|Cookie/);
            })
          ));
        }
      });
    }
  }
});
