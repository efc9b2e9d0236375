import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { tagOf, withBodyTag, withSimpleTag } from "../../lib/deliver/client_fields.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { type GatewayParts, inParts, sentField, withOrigin } from "../pipeline/in_process_gateway.ts";

const SIMPLE = /^"[A-Za-z0-9_-]+"$/;
const MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT";

/** A picture by its signature and its end; the rest is of no matter here. */
function picture(length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(7);
  bytes.set([0xff, 0xd8, 0xff, 0xda]);
  bytes.set([0xff, 0xd9], length - 2);
  return bytes;
}

const image = (fields: Fields, length = 100): ScriptedHandler => (exchange) =>
  exchange.reply({
    fields: [["content-type", "image/jpeg"], ["cache-control", "public, max-age=100"], ...fields],
    body: exchange.head.method === "HEAD" ? undefined : picture(length),
  });

const notModified = (fields: Fields): ScriptedHandler => (exchange) =>
  exchange.write(`HTTP/1.1 304 Not Modified\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);

const images: Partial<GatewayParts> & { pool: { type: string } } = {
  pool: { type: "tmdb-image" },
  listeners: [{ name: "l", pool: "p", cache: { rules: [{ ttl: "100s", stale_while_revalidate: 0 }] } }],
};

Deno.test("withSimpleTag() leaves simple strong tags, replaces all others, and keeps the origin's beside", () => {
  const tagFor = (given: Fields) => withSimpleTag([...given], given).fields.find(([name]) => name === "etag")?.[1];
  const simple: Fields = [["etag", '"abc_-9"']];
  assert.deepEqual(withSimpleTag(simple, simple), { fields: simple, originTag: null });
  const odd = ['W/"abc"', '"a.b"', '"a/b"', '"é"', '""', "abc", '"a b"', `"${"a".repeat(65)}"`, "W/", '"'];
  const tags = odd.map((etag) => tagFor([["etag", etag]])!);
  for (const tag of tags) assert.match(tag, SIMPLE);
  assert.equal(new Set(tags).size, odd.length);
  assert.equal(withSimpleTag([], [["etag", 'W/"1"']]).originTag, 'W/"1"');
  assert.equal(withSimpleTag([], [["last-modified", MODIFIED]]).originTag, "");
  assert.deepEqual(withSimpleTag([["x", "y"]], [["x", "y"]]), { fields: [["x", "y"]], originTag: null });
});

Deno.test("withSimpleTag() tells by length and date what a weak tag or none does not", () => {
  const tagFor = (given: Fields) => withSimpleTag([], given).fields[0]?.[1];
  const rows: Fields[] = [
    [["etag", 'W/"1"']],
    [["etag", 'W/"1"'], ["content-length", "5"]],
    [["etag", 'W/"1"'], ["last-modified", MODIFIED], ["content-length", "5"]],
    [["last-modified", MODIFIED]],
    [["last-modified", MODIFIED], ["content-length", "5"]],
  ];
  assert.equal(new Set(rows.map(tagFor)).size, rows.length);
  for (const row of rows) assert.equal(tagFor(row), tagFor([...row].reverse()));
  // A strong one is enough: a 304 has no length.
  assert.equal(tagFor([["etag", '"1.1"'], ["content-length", "5"]]), tagFor([["etag", '"1.1"']]));
});

Deno.test("tagOf() and withBodyTag() go by the bytes, and leave a tag that is there", () => {
  assert.match(tagOf("a"), SIMPLE);
  assert.notEqual(tagOf("ab", "c"), tagOf("a", "bc"));
  assert.deepEqual(withBodyTag([], picture(4)), { fields: [["etag", tagOf(picture(4))]], originTag: "" });
  assert.equal(withBodyTag([["etag", '"1"']], picture(4)), null);
});

for (const length of [100, 300_000]) {
  Deno.test(`every answer about an image of ${length} bytes has the same simple tag, and the origin hears its own`, () =>
    withOrigin(
      inParts(
        image([["etag", 'W/"66.ab/c"'], ["last-modified", MODIFIED]], length),
        notModified([["etag", 'W/"66.ab/c"'], ["cache-control", "public, max-age=100"]]),
      ),
      async (gateway, origin) => {
        const first = await gateway.ask("/t/p/w500//a.jpg");
        const tag = first.headers.get("etag")!;
        assert.match(tag, SIMPLE);
        await gateway.idle();
        const answers = [
          await gateway.ask("/t/p/w500/a.jpg"),
          await gateway.ask("/t/p/w500/a.jpg", { method: "HEAD" }),
          await gateway.ask("/t/p/w500/a.jpg", { headers: { "if-none-match": tag } }),
          await gateway.ask("/t/p/w500/a.jpg", { headers: { range: "bytes=0-9", "if-range": tag } }),
        ];
        assert.deepEqual(answers.map(({ status }) => status), [200, 200, 304, 206]);
        gateway.clock.advance(101_000);
        answers.push(first, await gateway.ask("/t/p/w500/a.jpg"), await gateway.ask("/t/p/w500/a.jpg"));
        assert.equal(sentField(origin, "if-none-match"), 'W/"66.ab/c"');
        for (const { headers } of answers) {
          assert.equal(headers.get("etag"), tag);
          assert.equal(headers.get("cache-control"), "public, max-age=100");
        }
        assert.equal(origin.heads.length, 2);
      },
      images,
    ));
}

Deno.test("an image without any validator gets the tag of its bytes, and is asked for anew", () =>
  withOrigin(image([]), async (gateway, origin) => {
    const { headers } = await gateway.ask("/t/p/w500/a.jpg");
    assert.equal(headers.get("etag"), tagOf(picture(100)));
    gateway.clock.advance(101_000);
    assert.equal((await gateway.ask("/t/p/w500/a.jpg")).headers.get("etag"), tagOf(picture(100)));
    assert.equal(origin.heads.length, 2);
    assert.equal(sentField(origin, "if-none-match"), null);
  }, images));

Deno.test("a HEAD of what is not stored says the same as the GET after it", () =>
  withOrigin(image([["etag", '"a.b"']]), async (gateway) => {
    const tags = [];
    for (const method of ["HEAD", "GET", "HEAD"]) {
      const { headers } = await gateway.ask("/t/p/w500/a.jpg", { method });
      tags.push(headers.get("etag"));
    }
    assert.match(tags[0]!, SIMPLE);
    assert.equal(new Set(tags).size, 1);
  }, images));
