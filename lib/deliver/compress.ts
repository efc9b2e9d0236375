import { brotliCompress, constants, gzip, zstdCompress } from "node:zlib";
import type { Coding } from "../request/storing_options.ts";

type Done = (error: Error | null, coded: Uint8Array) => void;

/** Levels that cost about as much as they save: each variant is made once, but it is made while requests are served. */
const CODERS: Readonly<Record<Coding, (body: Uint8Array, done: Done) => void>> = {
  br: (body, done) => {
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: 5,
      [constants.BROTLI_PARAM_SIZE_HINT]: body.byteLength,
    };
    brotliCompress(body, { params }, done);
  },
  gzip: (body, done) => gzip(body, { level: 6 }, done),
  zstd: (body, done) => zstdCompress(body, { params: { [constants.ZSTD_c_compressionLevel]: 6 } }, done),
};

/**
 * A body in a content coding (RFC 9110 §8.4.1), worked out beside the event loop; rejects with what zlib says.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { gunzipSync } from "node:zlib";
import type { Coding } from "../request/storing_options.ts";
 * import { compressed } from "./compress.ts";
 * const body = new TextEncoder().encode("again and again ".repeat(100));
 * const coded = await compressed(body, "gzip");
 * assert.ok(coded.byteLength < 100);
 * assert.deepEqual(new Uint8Array(gunzipSync(coded)), body);
 * ```
 */
export async function compressed(body: Uint8Array, coding: Coding): Promise<Uint8Array<ArrayBuffer>> {
  const coded = await new Promise<Uint8Array>((resolve, reject) =>
    CODERS[coding](body, (error, result) => error === null ? resolve(result) : reject(error))
  );
  // A copy of its own: zlib's buffer may be larger than what it holds.
  return new Uint8Array(coded);
}
