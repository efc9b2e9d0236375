import { gunzipSync } from "node:zlib";
import { type Fields, fieldValue } from "../http/fields.ts";
import { belies } from "../http/content_signature.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { type UpstreamBody, UpstreamFailure, type UpstreamResponse } from "../upstream_client/transport.ts";

/** Bodies up to this size are decoded in one call; larger ones as a stream. */
const SMALL_BYTES = 65_536;

/**
 * A response as it is stored where the type asked for gzip: its content decoded, and nothing left that describes the coded form
 * (RFC 9110 §8.4). A strong entity tag named the coded bytes, so it becomes a weak one. Others are left as they are.
 */
export function decodedResponse(response: UpstreamResponse, limitBytes: number): UpstreamResponse {
  const coding = fieldValue(response.fields, "content-encoding")?.trim().toLowerCase();
  if (coding !== "gzip" && coding !== "x-gzip") return response;
  const fields = response.fields
    .filter(([name]) => name !== "content-encoding" && name !== "content-length" && name !== "accept-ranges")
    .map(([name, value]): [string, string] =>
      name === "etag" && value.startsWith('"') ? [name, `W/${value}`] : [name, value]
    );
  const mediaType = mediaTypeOf(fieldValue(response.fields, "content-type"));
  return { ...response, fields: fields as Fields, body: new DecodedBody(response.body, { limitBytes, mediaType }) };
}

/** A gzip body, decoded as it is read; a body that decodes to more than the limit is refused (a bomb, or no document). */
class DecodedBody implements UpstreamBody {
  readonly lengthBytes = null;
  readonly #body: UpstreamBody;
  readonly #limitBytes: number;
  /** Until the first bytes were held against it. */
  #mediaType: string | null;
  #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | null = null;
  #small: Uint8Array<ArrayBuffer> | null | "read" = null;
  #bytes = 0;

  constructor(body: UpstreamBody, { limitBytes, mediaType }: { limitBytes: number; mediaType: string }) {
    this.#body = body;
    this.#limitBytes = limitBytes;
    this.#mediaType = mediaType;
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const chunk = this.#isSmall ? await this.#readSmall() : await this.#readNext();
    if (chunk !== null && this.#mediaType !== null && belies(this.#mediaType, chunk)) {
      this.cancel();
      throw new UpstreamFailure("protocol", "The body is not what Content-Type says", true);
    }
    this.#mediaType = null;
    return chunk;
  }

  async #readNext(): Promise<Uint8Array<ArrayBuffer> | null> {
    this.#reader ??= this.#decoded().getReader();
    const { done, value } = await this.#reader.read().catch(asFailure);
    if (done) return null;
    this.#bytes += value.byteLength;
    if (this.#bytes > this.#limitBytes) {
      this.cancel();
      throw tooLarge(this.#limitBytes);
    }
    return value;
  }

  async readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let chunk = await this.read(); chunk !== null; chunk = await this.read()) chunks.push(chunk);
    if (chunks.length === 1 && chunks[0]!.byteLength <= limitBytes) return chunks[0]!;
    const whole = new Uint8Array(await new Blob(chunks).arrayBuffer());
    if (whole.byteLength > limitBytes) throw tooLarge(limitBytes);
    return whole;
  }

  cancel(): void {
    this.#reader?.cancel().catch(() => {});
    this.#body.cancel();
  }

  get #isSmall(): boolean {
    return this.#body.lengthBytes !== null && this.#body.lengthBytes <= SMALL_BYTES;
  }

  async #readSmall(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#small !== null) return null;
    const coded = await this.#body.readAll(SMALL_BYTES);
    this.#small = "read";
    try {
      const decoded = gunzipSync(coded, { maxOutputLength: this.#limitBytes });
      return new Uint8Array(decoded.buffer as ArrayBuffer, decoded.byteOffset, decoded.byteLength);
    } catch (error) {
      throw (error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE" ? tooLarge(this.#limitBytes) : notGzip(error);
    }
  }

  #decoded(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const body = this.#body;
    const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        const chunk = await body.read();
        if (chunk === null) controller.close();
        else controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
      },
      cancel: () => body.cancel(),
    }, { highWaterMark: 0 });
    return source.pipeThrough(new DecompressionStream("gzip"));
  }
}

function asFailure(error: unknown): never {
  throw error instanceof UpstreamFailure ? error : notGzip(error);
}

function notGzip(cause: unknown): UpstreamFailure {
  return new UpstreamFailure("protocol", "The body is not what Content-Encoding says", true, { cause });
}

function tooLarge(limitBytes: number): UpstreamFailure {
  return new UpstreamFailure("too_large", `The decoded body holds more than ${limitBytes} bytes`, true);
}
