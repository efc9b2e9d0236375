import assert from "node:assert/strict";
import type { z } from "zod";
import { prewarmOrder, readJson } from "../../lib/admin/orders.ts";
import { purgeOrder } from "../../lib/gateway/purge_order.ts";

/** An order that a body is read as, or what is wrong with it. */
function reading<T>(schema: z.ZodType<T>, body: unknown) {
  const parsed = schema.safeParse(body);
  if (parsed.success) return { ok: true as const, order: parsed.data };
  const problems = parsed.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join(".")}: ${message}`
  );
  return { ok: false as const, problems };
}

const readPurge = (body: unknown) => reading(purgeOrder, body);
const readPrewarm = (body: unknown) => reading(prewarmOrder, body);

function post(body: BodyInit | null, type: string | null = "application/json"): Request {
  const headers = new Headers(type === null ? {} : { "content-type": type });
  return new Request("http://127.0.0.1/purge", { method: "POST", headers, body });
}

Deno.test("readJson() reads JSON of any kind, whatever the parameters of its type", async () => {
  for (const type of ["application/json", "Application/JSON; charset=utf-8", "application/json ;x=y"]) {
    assert.deepEqual(await readJson(post('{"a":["é",null]}', type)), { ok: true, value: { a: ["é", null] } });
  }
  assert.deepEqual(await readJson(post("false")), { ok: true, value: false });
});

Deno.test("readJson() refuses what a form or script of another site can send without permission", async () => {
  for (
    const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "text/plain; application/json",
      "application/jsonx",
      "",
      null,
    ]
  ) {
    const reading = await readJson(post(new TextEncoder().encode("{}"), type));
    assert.equal(!reading.ok && reading.status, 415, String(type));
  }
});

Deno.test("readJson() says 400 for what is no JSON", async () => {
  for (const body of ["", "{", "{}x", "undefined", "\u{feff}{]", null]) {
    const reading = await readJson(post(body));
    assert.equal(!reading.ok && reading.status, 400, String(body));
  }
});

Deno.test("readJson() says 400 for what breaks off", async () => {
  const broken = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("Chunk without a size")),
  });
  const reading = await readJson(post(broken));
  assert.equal(!reading.ok && reading.status, 400);
});

Deno.test("readJson() reads on for no more than its limit, however long the body is", async () => {
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 65_536;
      controller.enqueue(new Uint8Array(65_536).fill(32));
    },
  });
  const reading = await readJson(post(endless));
  assert.equal(!reading.ok && reading.status, 413);
  assert.ok(sent < 2 * 1024 * 1024, `${sent} bytes were read`);
  const full = `"${"a".repeat(1024 * 1024 - 2)}"`;
  assert.equal((await readJson(post(full))).ok, true);
});

Deno.test("purgeOrder reads each kind of order", () => {
  const cases: ReadonlyArray<
    readonly [body: unknown, by: string, value: string, listener: string | null, hard: boolean]
  > = [
    [{ url: "/3/movie/550?language=de" }, "url", "/3/movie/550?language=de", null, false],
    [{ url: "HTTPS://api.example/3/x", hard: true }, "url", "HTTPS://api.example/3/x", null, true],
    [{ prefix: "/t/p", listener: "images" }, "prefix", "/t/p", "images", false],
    [{ glob: "/3/movie/*" }, "glob", "/3/movie/*", null, false],
    [{ glob: "**/images" }, "glob", "**/images", null, false],
    [{ tag: "movie:550" }, "tag", "movie:550", null, false],
    [{ all: true, hard: false }, "all", "", null, false],
    [{ listener: "api" }, "all", "", "api", false],
    [{ listener: "api", all: true }, "all", "", "api", false],
  ];
  for (const [body, by, value, listener, hard] of cases) {
    assert.deepEqual(readPurge(body), { ok: true, order: { by, value, listener, hard } }, JSON.stringify(body));
  }
});

Deno.test("purgeOrder never takes an order that is not clear for one: least of all for one over everything", () => {
  const unclear: unknown[] = [
    {},
    { hard: true },
    { all: false },
    { all: "true" },
    { all: 1 },
    { tag: "a", all: true },
    { url: "/a", prefix: "/b" },
    { listener: "" },
    { tag: "" },
    { tag: 5 },
    { tag: ["a"] },
    { tag: "a", hard: "yes" },
    { tag: "a", soft: true },
    { prefixes: "/a" },
    [],
    [{ all: true }],
    null,
    "all",
    true,
    undefined,
  ];
  for (const body of unclear) {
    const reading = readPurge(body);
    assert.equal(reading.ok, false, JSON.stringify(body));
    assert.ok(!reading.ok && reading.problems.length > 0 && reading.problems.every((problem) => problem !== ""));
  }
});

Deno.test("purgeOrder takes bounded lines of text without control characters", () => {
  const bad: unknown[] = [
    { url: "ftp://a/x" },
    { url: "a/b" },
    { url: "http://" },
    { url: "/" + "a".repeat(8_192) },
    { prefix: "t/p" },
    { glob: "movie/*" },
    { glob: "/" + "a".repeat(256) },
    { glob: "/*/*/*/*/*/*/*/*/*" },
    { tag: "a\nb" },
    { tag: "a\u0000b" },
    { tag: "a\u009bb" },
    { tag: "a".repeat(257) },
    { listener: "a\r\nb" },
  ];
  for (const body of bad) assert.equal(readPurge(body).ok, false, JSON.stringify(body).slice(0, 60));
});

Deno.test("purgeOrder names the key that is wrong", () => {
  const reading = readPurge({ glob: "movie" });
  assert.ok(!reading.ok);
  assert.match(reading.problems.join(), /^glob: must begin with/);
});

Deno.test("prewarmOrder takes a listener alone, or with all that can be said", () => {
  assert.deepEqual(readPrewarm({ listener: "api" }), {
    ok: true,
    order: { listener: "api", targets: null, concurrency: null, ratePerSecond: null, pictures: null },
  });
  const pictures = { listener: "images", clients: ["kodi"] };
  assert.deepEqual(readPrewarm({ listener: "api", paths: ["/a", "HTTP://h/b?c"], concurrency: 3, rate: 4, pictures }), {
    ok: true,
    order: { listener: "api", targets: ["/a", "HTTP://h/b?c"], concurrency: 3, ratePerSecond: 4, pictures },
  });
});

Deno.test("prewarmOrder says what is wrong, and where", () => {
  const cases: ReadonlyArray<readonly [body: unknown, problem: RegExp]> = [
    [null, /object/],
    [{}, /^listener: /],
    [{ listener: "" }, /^listener: /],
    [{ listener: "a", path: ["/a"] }, /path/],
    [{ listener: "a", paths: [] }, /^paths: /],
    [{ listener: "a", paths: ["/a", "b"] }, /^paths\.1: must be a path/],
    [{ listener: "a", paths: ["/a b"] }, /^paths\.0: /],
    [{ listener: "a", paths: ["/a#b"] }, /^paths\.0: /],
    [{ listener: "a", paths: ["ftp://h/a"] }, /^paths\.0: /],
    [{ listener: "a", paths: Array.from({ length: 10_001 }, () => "/a") }, /^paths: /],
    [{ listener: "a", rate: 0 }, /^rate: /],
    [{ listener: "a", concurrency: 1.5 }, /^concurrency: /],
    [{ listener: "a", pictures: { listener: "b", clients: [] } }, /^pictures\.clients: /],
    [{ listener: "a", pictures: { listener: "b", clients: ["plex"] } }, /^pictures\.clients\.0: /],
  ];
  for (const [body, problem] of cases) {
    const reading = readPrewarm(body);
    assert.ok(!reading.ok, JSON.stringify(body)?.slice(0, 80));
    assert.match(reading.problems.join("; "), problem);
  }
});
