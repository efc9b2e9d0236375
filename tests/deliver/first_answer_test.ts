import assert from "node:assert/strict";
import { brotliDecompressSync, gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import type { Fields } from "../../lib/http/fields.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { eventually, inParts, type InProcessGateway, withOrigin } from "../pipeline/in_process_gateway.ts";

const TARGET = "/3/movie/550";
const DOCUMENT = JSON.stringify({
  id: 550,
  overview: "A ticking-time-bomb insomniac and a soap salesman. ".repeat(60),
});
const FIELDS: Fields = [["content-type", "application/json;charset=utf-8"], ["cache-control", "public, max-age=600"]];
const tmdb = { pool: { type: "tmdb-api", key_mode: "pass" } };
/** Another level than the gateway's: its bytes can be told from those that it makes itself. */
const CODED = gzipSync(DOCUMENT, { level: 1 });

const sendsGzip: ScriptedHandler = (exchange) =>
  exchange.reply({ fields: [...FIELDS, ["content-encoding", "gzip"], ["etag", 'W/"v1"']], body: CODED });
const sendsPlain: ScriptedHandler = (exchange) => exchange.reply({ fields: FIELDS, body: DOCUMENT });

const DECODERS: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
};

/** What came, its coding taken off. */
async function got(gateway: InProcessGateway, accepted: string | null, target = TARGET) {
  const response = await gateway.send(target, { headers: accepted === null ? {} : { "accept-encoding": accepted } });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const coding = response.headers.get("content-encoding");
  const text = new TextDecoder().decode(coding === null ? bytes : DECODERS[coding]!(bytes));
  return { coding, bytes, text, field: (name: string) => response.headers.get(name) };
}

/** What a client says, the coding of its first answer, and that of the ones that follow. */
const ROWS: readonly (readonly [accepted: string | null, fromGzip: string | null, fromPlain: string | null])[] = [
  ["gzip", "gzip", "gzip"],
  ["gzip, deflate", "gzip", "gzip"],
  ["x-gzip", "gzip", "gzip"],
  ["gzip, deflate, br, zstd", "gzip", "zstd"],
  ["gzip;q=0.5, br", "gzip", "br"],
  ["*", "gzip", "zstd"],
  ["br", "br", "br"],
  ["gzip;q=0, br", "br", "br"],
  ["identity", null, null],
  ["gzip;q=0", null, null],
  ["deflate", null, null],
  [null, null, null],
];

for (const [what, handler, column] of [["gzip", sendsGzip, 1], ["plain", sendsPlain, 2]] as const) {
  Deno.test(`a first answer is coded for who takes it, and for nobody else: the upstream sends ${what}`, async (t) => {
    for (const row of ROWS) {
      await t.step(String(row[0]), () =>
        withOrigin(handler, async (gateway, origin) => {
          const first = await got(gateway, row[0]);
          assert.deepEqual([first.coding, first.text], [row[column], DOCUMENT]);
          assert.match(first.field("cache-status")!, /fwd=uri-miss.*stored/);
          assert.equal(first.field("vary"), "Accept-Encoding");
          assert.equal(first.field("content-length"), String(first.bytes.length));
          await gateway.idle();
          const second = await got(gateway, row[0]);
          assert.deepEqual([second.coding, second.text], [row[2], DOCUMENT]);
          assert.match(second.field("cache-status")!, /hit/);
          assert.equal(origin.heads.length, 1);
        }, tmdb));
    }
  });
}

Deno.test("what the upstream coded is passed on and kept as it is, in chunks and large too", async () => {
  const large = JSON.stringify({ id: 1, names: Array.from({ length: 30_000 }, (_, at) => `name ${at * 7919}`) });
  for (const document of [DOCUMENT, large]) {
    const coded = gzipSync(document, { level: 1 });
    await withOrigin(async (exchange) => {
      const fields = FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      await exchange.write(`HTTP/1.1 200 OK\r\n${fields}content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n`);
      for (let at = 0; at < coded.length; at += 20_000) {
        const part = coded.subarray(at, at + 20_000);
        await exchange.write(`${part.length.toString(16)}\r\n`);
        await exchange.write(part);
        await exchange.write("\r\n");
      }
      await exchange.write("0\r\n\r\n");
    }, async (gateway) => {
      for (const turn of ["first", "second"]) {
        const { coding, bytes, text } = await got(gateway, "gzip");
        assert.deepEqual([coding, text.length], ["gzip", document.length], turn);
        assert.deepEqual(bytes, Uint8Array.from(coded), turn);
        await gateway.idle();
      }
      assert.equal((await got(gateway, null)).text, document);
    }, tmdb);
  }
});

Deno.test("a herd of the first gets one coding, made once, and each what it takes", () => {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  return withOrigin(async (exchange) => {
    await promise;
    await sendsPlain(exchange);
  }, async (gateway, origin) => {
    const accepted = ["gzip", null, "br", "gzip", "identity", "gzip", "br", "gzip"];
    const herd = accepted.map((each) => got(gateway, each));
    await eventually("the origin was asked", () => origin.heads.length === 1);
    goOn();
    const answers = await Promise.all(herd);
    assert.deepEqual(answers.map(({ coding }) => coding ?? null), [
      "gzip",
      null,
      "br",
      "gzip",
      null,
      "gzip",
      "br",
      "gzip",
    ]);
    for (const { text } of answers) assert.equal(text, DOCUMENT);
    await gateway.idle();
    assert.equal(origin.heads.length, 1);
    assert.equal(gateway.gateway.services.store.stats().memory.entries, 3);
  }, tmdb);
});

Deno.test("what is not kept goes out as it came to who takes it, and decoded to who does not", async () => {
  const fields: Fields = [["content-type", "application/json"], ["cache-control", "no-store"], [
    "content-encoding",
    "gzip",
  ]];
  await withOrigin((exchange) => exchange.reply({ status: 410, fields, body: CODED }), async (gateway) => {
    const coded = await got(gateway, "gzip, br");
    assert.deepEqual([coded.coding, coded.text, coded.bytes.length], ["gzip", DOCUMENT, CODED.length]);
    assert.match(coded.field("vary") ?? "", /accept-encoding/i);
    for (const accepted of [null, "br", "identity", "gzip;q=0"]) {
      const plain = await got(gateway, accepted);
      assert.deepEqual([plain.coding, plain.text], [null, DOCUMENT], String(accepted));
    }
  }, tmdb);
});

Deno.test("a first answer is left as it is where a hit would be: small, off, a range, or no type that gets smaller", async () => {
  const small = '{"id":1}';
  const coded: Fields = [...FIELDS, ["content-encoding", "gzip"]];
  await withOrigin((exchange) => exchange.reply({ fields: coded, body: gzipSync(small) }), async (gateway) => {
    const { coding, text } = await got(gateway, "gzip");
    assert.deepEqual([coding, text], [null, small]);
  }, tmdb);
  await withOrigin(sendsGzip, async (gateway) => {
    const { coding, text } = await got(gateway, "gzip");
    assert.deepEqual([coding, text], [null, DOCUMENT]);
  }, { ...tmdb, listeners: [{ name: "l", pool: "p", cache: { compress: false } }] });
  await withOrigin(sendsGzip, async (gateway) => {
    const part = await gateway.ask(TARGET, { headers: { "accept-encoding": "gzip", range: "bytes=0-3" } });
    assert.deepEqual([part.status, part.text, part.headers.get("content-encoding")], [206, DOCUMENT.slice(0, 4), null]);
  }, tmdb);
  await withOrigin(sendsGzip, async (gateway) => {
    const head = await gateway.ask(TARGET, { method: "HEAD", headers: { "accept-encoding": "gzip" } });
    assert.deepEqual([head.headers.get("content-encoding"), head.text], ["gzip", ""]);
  }, tmdb);
});

Deno.test("a document that is changed on its way out is coded as it was changed, not as it came", () =>
  withOrigin(sendsGzip, async (gateway) => {
    for (const turn of ["first", "second"]) {
      const { coding, text } = await got(gateway, "gzip");
      assert.deepEqual([coding, JSON.parse(text).added], ["gzip", 1], turn);
      await gateway.idle();
    }
  }, { ...tmdb, listeners: [{ name: "l", pool: "p", overrides: [{ path: "/**", merge: { added: 1 } }] }] }));

Deno.test("an upstream that repeats the key that was put in does not give it away in coded bytes", () => {
  const key = "0123456789abcdef0123456789abcdef";
  return withOrigin((exchange) =>
    exchange.reply({
      fields: [...FIELDS, ["content-encoding", "gzip"]],
      body: gzipSync(JSON.stringify({ asked: exchange.head.target, more: DOCUMENT })),
    }), async (gateway) => {
    for (const turn of ["first", "second"]) {
      const { coding, text } = await got(gateway, "gzip");
      assert.equal(coding, "gzip", turn);
      assert.ok(!text.includes(key) && text.includes("*".repeat(32)), turn);
      await gateway.idle();
    }
  }, { pool: { type: "tmdb-api", api_keys: [key] } });
});

Deno.test("a first answer of a general pool is coded too where it is small and its listener compresses", () =>
  withOrigin(
    inParts(async (exchange) => {
      const fields = FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      const chunk = `${DOCUMENT.length.toString(16)}\r\n${DOCUMENT}\r\n0\r\n\r\n`;
      await exchange.write(`HTTP/1.1 200 OK\r\n${fields}transfer-encoding: chunked\r\n\r\n${chunk}`);
    }),
    async (gateway) => {
      const first = await got(gateway, "gzip");
      assert.deepEqual([first.coding, first.text], ["gzip", DOCUMENT]);
    },
    { listeners: [{ name: "l", pool: "p", cache: { compress: true } }] },
  ));
