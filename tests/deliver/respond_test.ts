import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { withOrigin } from "../pipeline/in_process_gateway.ts";

const BODY = "0123456789abcdef".repeat(250);
const DATE = "Fri, 02 Jan 2026 00:00:00 GMT";
const fields: [string, string][] = [
  ["cache-control", "max-age=60"],
  ["content-type", "text/plain"],
  ["etag", '"v1"'],
  ["last-modified", DATE],
  ["x-own", "1"],
];
const stored: ScriptedHandler = (exchange) => exchange.reply({ fields, body: BODY });

Deno.test("deliver() answers HEAD with the fields of GET and no content", () =>
  withOrigin(stored, async ({ ask }, origin) => {
    await ask("/a");
    const head = await ask("/a", { method: "HEAD" });
    assert.deepEqual([head.status, head.text, head.headers.get("content-length")], [200, "", "4000"]);
    assert.equal(head.headers.get("etag"), '"v1"');
    assert.equal(origin.heads.length, 1);
  }));

Deno.test("deliver() answers 304 where a precondition says so, with the fields that a 304 has", () =>
  withOrigin(stored, async ({ ask, gateway }, origin) => {
    await ask("/a");
    const conditions = [["if-none-match", '"v1"'], ["if-none-match", 'W/"v1"'], ["if-none-match", "*"], [
      "if-modified-since",
      DATE,
    ]] as const;
    for (const [name, value] of conditions) {
      for (const method of ["GET", "HEAD"]) {
        const answer = await ask("/a", { method, headers: { [name]: value } });
        assert.deepEqual([answer.status, answer.text], [304, ""], `${name}: ${value}`);
        assert.equal(answer.headers.get("etag"), '"v1"');
        assert.equal(answer.headers.get("content-type"), null);
        assert.equal(answer.headers.get("content-length"), null);
        assert.equal(answer.headers.get("x-own"), null);
        assert.match(answer.cacheStatus, /hit/);
      }
    }
    assert.equal((await ask("/a", { headers: { "if-none-match": '"other"', "if-modified-since": DATE } })).status, 200);
    assert.equal(origin.heads.length, 1);
    assert.deepEqual(gateway.counts.listeners["l"]!.byClass, [0, 0, 2, 8, 0, 0]);
  }));

Deno.test("deliver() repeats in a 304 the fields that the 200 had: those of RFC 9110 §15.4.5, cookies, and no others", () => {
  const repeated: [string, string][] = [
    ["cache-control", "max-age=60"],
    ["cdn-cache-control", "max-age=60"],
    ["content-location", "/a.en"],
    ["etag", '"v1"'],
    ["expires", "Fri, 02 Jan 2027 00:00:00 GMT"],
    ["last-modified", DATE],
    ["set-cookie", "theme=dark"],
    ["vary", "accept-language"],
  ];
  const handler: ScriptedHandler = (exchange) =>
    exchange.reply({ fields: [...repeated, ["x-own", "1"], ["content-language", "en"]], body: "v1" });
  const listeners = [{ name: "l", pool: "p", cache: { set_cookie: "store" } }];
  return withOrigin(handler, async ({ ask }) => {
    const whole = await ask("/a");
    const headers = { "if-none-match": '"v1"' };
    const { status, headers: sent } = await ask("/a", { headers });
    assert.equal(status, 304);
    for (const [name] of repeated) assert.equal(sent.get(name), whole.headers.get(name), name);
    for (const name of ["date", "via"]) assert.ok(sent.has(name), name);
    for (const name of ["x-own", "content-language", "content-length"]) assert.equal(sent.get(name), null, name);
  }, { listeners });
});

Deno.test("deliver() answers one range, several, and one that cannot be", () =>
  withOrigin(stored, async ({ ask }, origin) => {
    await ask("/a");
    const one = await ask("/a", { headers: { range: "bytes=2-4" } });
    assert.deepEqual([one.status, one.text, one.headers.get("content-range")], [206, "234", "bytes 2-4/4000"]);
    assert.equal(one.headers.get("content-length"), "3");
    const last = await ask("/a", { headers: { range: "bytes=-2" } });
    assert.equal(last.text, "ef");

    const several = await ask("/a", { headers: { range: "bytes=0-1,3000-3001" } });
    assert.equal(several.status, 206);
    const boundary = /^multipart\/byteranges; ?boundary=(.+)$/.exec(several.headers.get("content-type")!)![1]!;
    assert.equal(several.text.split(`--${boundary}`).length, 4);
    assert.match(several.text, /content-range: bytes 0-1\/4000\r\n\r\n01\r\n/i);
    assert.equal(several.headers.get("content-length"), String(several.text.length));

    const beyond = await ask("/a", { headers: { range: "bytes=4000-" } });
    assert.deepEqual([beyond.status, beyond.headers.get("content-range")], [416, "bytes */4000"]);
    assert.equal(origin.heads.length, 1);
  }));

Deno.test("deliver() ignores a range where If-Range names another response, and on HEAD", () =>
  withOrigin(stored, async ({ ask }) => {
    await ask("/a");
    const ranged = { range: "bytes=0-1" };
    assert.equal((await ask("/a", { headers: { ...ranged, "if-range": '"v1"' } })).status, 206);
    assert.equal((await ask("/a", { headers: { ...ranged, "if-range": '"v2"' } })).text, BODY);
    assert.equal((await ask("/a", { method: "HEAD", headers: ranged })).status, 200);
  }));

Deno.test("deliver() answers a stored 404 and a stored redirect as what they are", () =>
  withOrigin((exchange) =>
    exchange.reply(
      exchange.head.target === "/404"
        ? { status: 404, fields, body: "gone" }
        : { status: 301, fields: [...fields, ["location", "/b"]], body: "" },
    ), async ({ ask }, origin) => {
    for (const [target, status] of [["/404", 404], ["/301", 301]] as const) {
      await ask(target);
      const hit = await ask(target, { headers: { "if-none-match": '"v1"', range: "bytes=0-0" } });
      assert.equal(hit.status, status);
      assert.match(hit.cacheStatus, /hit/);
    }
    assert.equal(origin.heads.length, 2);
  }));

Deno.test("deliver() sends no content and no length with a stored 204", () =>
  withOrigin(
    (exchange) => exchange.write("HTTP/1.1 204 No Content\r\ncache-control: max-age=60\r\n\r\n"),
    async ({ ask }) => {
      await ask("/a");
      const hit = await ask("/a");
      assert.deepEqual([hit.status, hit.text, hit.headers.get("content-length")], [204, "", null]);
      assert.match(hit.cacheStatus, /hit/);
    },
  ));

Deno.test("deliver() passes statuses without content and HEAD on, and lets go of the body", () =>
  withOrigin((exchange) => {
    const status = exchange.head.target.slice(1);
    return exchange.write(
      `HTTP/1.1 ${status} Status\r\nx-own: 1\r\n${status === "200" ? "content-length: 5\r\n" : ""}\r\n`,
    );
  }, async ({ ask }) => {
    for (const [target, method] of [["/204", "PUT"], ["/304", "GET"], ["/200", "HEAD"]] as const) {
      const answer = await ask(target, { method });
      assert.deepEqual([`/${answer.status}`, answer.text, answer.headers.get("x-own")], [target, "", "1"]);
    }
  }));

Deno.test("clientFields() drops hop-by-hop fields and what Connection names, and adds Via behind others", () =>
  withOrigin((exchange) =>
    exchange.reply({
      fields: [
        ["connection", "x-hop, close"],
        ["x-hop", "1"],
        ["keep-alive", "timeout=5"],
        ["proxy-authenticate", "Basic"],
        ["trailer", "x"],
        ["upgrade", "h2c"],
        ["via", "1.1 before"],
        ["x-end", "1"],
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
      ],
      body: "x",
    }), async ({ ask }) => {
    const { headers } = await ask("/a");
    for (const name of ["connection", "x-hop", "keep-alive", "proxy-authenticate", "trailer", "upgrade"]) {
      assert.equal(headers.get(name), null, name);
    }
    assert.equal(headers.get("via"), "1.1 before, 1.1 usher");
    assert.equal(headers.get("x-end"), "1");
    assert.deepEqual(headers.getSetCookie(), ["a=1", "b=2"]);
  }));

Deno.test("errorAnswer() speaks the language of the pool's type, without content to HEAD", () =>
  withOrigin((exchange) => exchange.reset(), async ({ ask, access }) => {
    const answer = await ask("/3/movie/1", { headers: { "x-request-id": "mine-1" } });
    assert.equal(answer.status, 502);
    assert.deepEqual(Object.keys(JSON.parse(answer.text)).includes("status_code"), true);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.equal(answer.headers.get("x-request-id"), "mine-1");
    assert.equal(answer.headers.get("content-length"), String(answer.text.length));
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
    assert.match(
      answer.headers.get("proxy-status")!,
      /^usher; error=destination_unavailable; details="upstream_unreachable"$/,
    );
    assert.equal(access()[0]!["error"], "upstream_unreachable");

    const head = await ask("/3/movie/1", { method: "HEAD" });
    assert.deepEqual([head.status, head.text], [502, ""]);
  }, { pool: { type: "tmdb-api", retry: { attempts: 1 } } }));

Deno.test("deliver() says nothing of a length that it does not know, in answer to HEAD (RFC 9110 §8.6)", () =>
  withOrigin(async (exchange) => {
    const length = exchange.head.target === "/known" ? "content-length: 7\r\n" : "";
    await exchange.write(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n${length}\r\n`);
    if (length === "") exchange.end();
  }, async (gateway) => {
    const url = await gateway.serve();
    const lengthOf = async (target: string) =>
      (await fetch(url + target, { method: "HEAD" })).headers.get("content-length");
    assert.equal(await lengthOf("/unknown"), null);
    assert.equal(await lengthOf("/known"), "7");
  }));
