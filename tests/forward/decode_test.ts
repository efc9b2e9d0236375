import assert from "node:assert/strict";
import { gzipOf } from "../../lib/request/gathered_body.ts";
import { randomBytes } from "node:crypto";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { decodedResponse, inAskedCoding } from "../../lib/forward/decode.ts";
import type { Fields } from "../../lib/http/fields.ts";
import { type UpstreamBody, UpstreamFailure, type UpstreamResponse } from "../../lib/upstream_client/transport.ts";

const LIMIT_BYTES = 1 << 20;

/** A response with a body that comes in pieces; `cut` breaks it off at the end. */
function responseOf(content: Uint8Array, options: { fields?: Fields; cut?: boolean; chunked?: boolean } = {}) {
  let at = 0;
  const body = {
    lengthBytes: options.chunked ? null : content.byteLength,
    cancels: 0,
    read(): Promise<Uint8Array | null> {
      if (at >= content.byteLength) {
        return options.cut ? Promise.reject(new UpstreamFailure("truncated", "cut", true)) : Promise.resolve(null);
      }
      return Promise.resolve(content.slice(at, at += 1_000));
    },
    readAll: () =>
      options.cut ? Promise.reject(new UpstreamFailure("truncated", "cut", true)) : Promise.resolve(content.slice()),
    cancel: () => void body.cancels++,
  };
  const fields = options.fields ?? [["content-encoding", "gzip"]];
  const response: UpstreamResponse = { status: 200, fields, body: body as UpstreamBody, receivedAtMs: 0 };
  return { body, response };
}

async function readAll(body: UpstreamBody): Promise<Uint8Array> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) chunks.push(chunk.slice());
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

const small = new TextEncoder().encode('{"id":603}');
const large = new Uint8Array(randomBytes(200_000));

for (
  const [what, content, chunked] of [["small", small, false], ["large", large, false], [
    "chunked",
    small,
    true,
  ]] as const
) {
  Deno.test(`decodedResponse() decodes a ${what} gzip body, read by chunks or whole`, async () => {
    const coded = gzipSync(content);
    assert.deepEqual(
      await readAll(decodedResponse(responseOf(coded, { chunked }).response, LIMIT_BYTES).body),
      content,
    );
    const { body } = decodedResponse(responseOf(coded, { chunked }).response, LIMIT_BYTES);
    assert.equal(body.lengthBytes, null);
    assert.deepEqual(await body.readAll(LIMIT_BYTES), content);
    assert.equal(await body.read(), null);
  });

  Deno.test(`decodedResponse() refuses a ${what} body that is not gzip`, async () => {
    const { response } = responseOf(content, { chunked });
    await assert.rejects(readAll(decodedResponse(response, LIMIT_BYTES).body), {
      name: "UpstreamFailure",
      kind: "protocol",
    });
  });

  Deno.test(`decodedResponse() refuses a ${what} body that ends inside the gzip stream`, async () => {
    const coded = gzipSync(content);
    const { response } = responseOf(coded.subarray(0, coded.length - 9), { chunked });
    await assert.rejects(readAll(decodedResponse(response, LIMIT_BYTES).body), { kind: "protocol" });
  });

  Deno.test(`decodedResponse() passes on that a ${what} body broke off below`, async () => {
    const coded = gzipSync(content);
    const { response } = responseOf(coded.subarray(0, coded.length - 9), { chunked, cut: true });
    await assert.rejects(readAll(decodedResponse(response, LIMIT_BYTES).body), { kind: "truncated" });
  });
}

for (const chunked of [false, true]) {
  Deno.test(`decodedResponse() refuses a bomb without decoding all of it (${chunked ? "chunked" : "length"})`, async () => {
    const { response, body } = responseOf(gzipSync(new Uint8Array(20 << 20)), { chunked });
    await assert.rejects(readAll(decodedResponse(response, LIMIT_BYTES).body), { kind: "too_large" });
    if (chunked) assert.ok(body.cancels > 0);
  });
}

Deno.test("decodedResponse() drops what described the coded form, and weakens a strong entity tag", () => {
  const fields: Fields = [
    ["content-encoding", " GZIP "],
    ["content-length", "9"],
    ["accept-ranges", "bytes"],
    ["etag", '"strong"'],
    ["vary", "accept"],
  ];
  assert.deepEqual(decodedResponse(responseOf(small, { fields }).response, 1).fields, [["etag", 'W/"strong"'], [
    "vary",
    "accept",
  ]]);
  const weak: Fields = [["content-encoding", "x-gzip"], ["etag", 'W/"weak"']];
  assert.deepEqual(decodedResponse(responseOf(small, { fields: weak }).response, 1).fields, [["etag", 'W/"weak"']]);
});

Deno.test("decodedResponse() leaves what is not coded as it is, and refuses codings that it does not know", () => {
  for (const fields of [[], [["content-encoding", "identity"]], [["content-encoding", ""]]] as Fields[]) {
    const { response } = responseOf(small, { fields });
    assert.equal(decodedResponse(response, 1), response);
  }
  for (const coding of ["compress", "gzip, br", "x-unknown", "gzip, gzip"]) {
    const { response, body } = responseOf(small, { fields: [["content-encoding", coding]] });
    assert.throws(() => decodedResponse(response, 1), { kind: "protocol" }, coding);
    assert.equal(body.cancels, 1, coding);
  }
});

const CODERS: Readonly<Record<string, (content: Uint8Array) => Uint8Array>> = {
  "gzip": gzipSync,
  "x-gzip": gzipSync,
  "identity, GZip": gzipSync,
  "br": brotliCompressSync,
  "zstd": zstdCompressSync,
  "deflate": deflateSync,
  "Deflate": deflateRawSync,
};

Deno.test("decodedResponse() decodes every coding there is, small and large, and nothing of an empty body", async () => {
  for (const [coding, code] of Object.entries(CODERS)) {
    const fields: Fields = [["content-encoding", coding]];
    for (const content of [small, large]) {
      for (const chunked of [false, true]) {
        const { response } = responseOf(code(content), { fields, chunked });
        assert.deepEqual(await readAll(decodedResponse(response, LIMIT_BYTES).body), content, coding);
        // The runtime does not say of zstd that its end is missing; what is verified is looked at afterwards.
        if (coding === "zstd") continue;
        const cut = responseOf(code(content).subarray(0, -5), { fields, chunked });
        await assert.rejects(readAll(decodedResponse(cut.response, LIMIT_BYTES).body), { kind: "protocol" }, coding);
      }
    }
    const empty = responseOf(new Uint8Array(0), { fields, chunked: true });
    assert.equal((await readAll(decodedResponse(empty.response, LIMIT_BYTES).body)).length, 0, coding);
    const bomb = responseOf(code(new Uint8Array(4 << 20)), { fields });
    await assert.rejects(readAll(decodedResponse(bomb.response, LIMIT_BYTES).body), { kind: "too_large" }, coding);
  }
});

Deno.test("decodedResponse() decodes JSON that two have coded, neither knowing of the other", async () => {
  const fields: Fields = [["content-encoding", "gzip"], ["content-type", "application/json"]];
  const { response } = responseOf(gzipSync(gzipSync(small)), { fields });
  assert.deepEqual(await readAll(decodedResponse(response, LIMIT_BYTES).body), small);
  const archive: Fields = [["content-encoding", "gzip"], ["content-type", "application/gzip"]];
  const whole = responseOf(gzipSync(gzipSync(small)), { fields: archive });
  assert.deepEqual(
    await readAll(decodedResponse(whole.response, LIMIT_BYTES).body),
    new Uint8Array(gzipSync(small)),
  );
});

Deno.test("gzipOf() has the coded bytes when all has been read, while they are not many", async () => {
  for (const [content, chunked] of [[small, false], [small, true], [large, true]] as const) {
    const coded = Uint8Array.from(gzipSync(content));
    const { body } = decodedResponse(responseOf(coded, { chunked }).response, LIMIT_BYTES);
    assert.equal(gzipOf(body), null);
    await readAll(body);
    assert.deepEqual(gzipOf(body), coded);
  }
  const many = gzipSync(new Uint8Array(randomBytes(1_200_000)));
  const { body } = decodedResponse(responseOf(many, { chunked: true }).response, 4 << 20);
  await readAll(body);
  assert.equal(gzipOf(body), null);
  assert.equal(gzipOf(responseOf(small).response.body), null);
});

Deno.test("inAskedCoding() decodes what was not asked for, and leaves what was, is a part, or is empty", async () => {
  const coded = (coding: string, more: Partial<UpstreamResponse> = {}) => ({
    ...responseOf(CODERS[coding]!(small), { fields: [["content-encoding", coding]] }).response,
    ...more,
  });
  const rows: readonly (readonly [coding: string, asked: string | null, isDecoded: boolean])[] = [
    ["gzip", "gzip", false],
    ["x-gzip", "gzip", false],
    ["gzip", "*", false],
    ["gzip", null, true],
    ["gzip", "identity", true],
    ["gzip", "gzip;q=0, br", true],
    ["br", "gzip", true],
    ["zstd", "br, gzip", true],
    ["br", "gzip, deflate, br", false],
  ];
  for (const [coding, asked, isDecoded] of rows) {
    const response = coded(coding);
    const form = inAskedCoding(response, asked, LIMIT_BYTES);
    assert.equal(form !== response, isDecoded, `${coding} for ${asked}`);
    if (isDecoded) assert.deepEqual(await readAll(form.body), small);
  }
  for (const status of [206, 304]) {
    const part = coded("gzip", { status });
    assert.equal(inAskedCoding(part, "identity", LIMIT_BYTES), part);
  }
  const { response: empty } = responseOf(new Uint8Array(0));
  assert.equal(inAskedCoding(empty, "identity", LIMIT_BYTES), empty);
});

Deno.test("decodedResponse() lets go of the body below when it is cancelled, before, during and after reading", async () => {
  for (const chunked of [false, true]) {
    const untouched = responseOf(gzipSync(large), { chunked });
    decodedResponse(untouched.response, LIMIT_BYTES).body.cancel();
    assert.ok(untouched.body.cancels > 0);

    const begun = responseOf(gzipSync(large), { chunked });
    const decoded = decodedResponse(begun.response, LIMIT_BYTES).body;
    await decoded.read();
    decoded.cancel();
    decoded.cancel();
    assert.ok(begun.body.cancels > 0);
  }
});

Deno.test("decodedResponse() refuses a page that calls itself JSON, small or chunked", async () => {
  const page = gzipSync("<!doctype html><title>Blocked</title>");
  const fields: Fields = [["content-encoding", "gzip"], ["content-type", "application/json"]];
  for (const chunked of [false, true]) {
    const { body, response } = responseOf(page, { fields, chunked });
    await assert.rejects(decodedResponse(response, LIMIT_BYTES).body.readAll(LIMIT_BYTES), {
      kind: "protocol",
      message: "The body is not what Content-Type says",
    });
    assert.ok(body.cancels > 0);
    const good = decodedResponse(responseOf(gzipSync(small), { fields, chunked }).response, LIMIT_BYTES);
    assert.deepEqual(await readAll(good.body), small);
  }
});

Deno.test("decodedResponse() decodes gzip of several members, padded or not, in one piece and in chunks", async () => {
  const members = Uint8Array.from([...gzipSync(large.subarray(0, 90_000)), ...gzipSync(large.subarray(90_000))]);
  for (const padding of [0, 16]) {
    for (const chunked of [true, false]) {
      const { response } = responseOf(Uint8Array.from([...members, ...new Uint8Array(padding)]), { chunked });
      assert.deepEqual(await readAll(decodedResponse(response, LIMIT_BYTES).body), large);
    }
  }
  const { response } = responseOf(members.subarray(0, -9), { chunked: true });
  await assert.rejects(readAll(decodedResponse(response, LIMIT_BYTES).body), { kind: "protocol" });
});

Deno.test("decodedResponse() decodes what comes byte by byte, and may be given up at any time", async () => {
  const coded = gzipSync(small);
  let at = 0;
  const fields: Fields = [["content-encoding", "gzip"]];
  const body: UpstreamBody = {
    lengthBytes: null,
    read: () => Promise.resolve(at < coded.length ? coded.slice(at, ++at) : null),
    readAll: () => Promise.reject(new Error("not asked for")),
    cancel: () => {},
  };
  const { body: decoded } = decodedResponse({ status: 200, fields, body, receivedAtMs: 0 }, LIMIT_BYTES);
  assert.deepEqual(await readAll(decoded), small);
  const given = decodedResponse(responseOf(gzipSync(large), { chunked: true }).response, LIMIT_BYTES).body;
  assert.ok(await given.read() !== null);
  given.cancel();
  given.cancel();
});
