import { belies, hasSignature, SIGNATURE_BYTES } from "../http/content_signature.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { isGzip, isNeverGzip, isWholeContent } from "../http/whole_content.ts";
import type { Exchange } from "../request/exchange.ts";
import { concat } from "../request/byte_blocks.ts";
import { type BodyStart, ResumedBody } from "../request/gathered_body.ts";
import { type UpstreamBody, UpstreamFailure, type UpstreamResponse } from "../upstream_client/transport.ts";
import type { Judgement } from "../upstream_type/upstream_type.ts";
import { codingsOf, decodedBytes, isKnownCoding } from "./decode.ts";
import type { Ask } from "./outgoing.ts";

/** A response and the type's judgement of it. */
export interface Judged {
  readonly response: UpstreamResponse;
  readonly judgement: Judgement;
}

/** Bodies up to this size are checked before they are passed on. */
const FEW_BYTES = 1_024;

/** Coded content up to this size is decoded to be checked; for more, complete framing is enough. */
const MAX_DECODED_BYTES = 1024 * 1024;

/**
 * Adds `Content-Encoding: gzip` to a response whose content is gzip without saying so, where its pool verifies content of that type.
 * Others are returned unchanged.
 *
 * @throws {UpstreamFailure} the body broke off before that
 */
export async function withStatedCoding(
  exchange: Exchange,
  ask: Ask,
  response: UpstreamResponse,
): Promise<UpstreamResponse> {
  const mediaType = mediaTypeOf(fieldValue(response.fields, "content-type"));
  if (!isCheckable(ask, response) || !exchange.tenant.type.verifies(mediaType) || !isNeverGzip(mediaType)) {
    return response;
  }
  if (codingsOf(response.fields).length > 0) return response;
  const { body, start } = await beginningOf(response.body);
  const seen = body === response.body ? response : { ...response, body };
  if (!isGzip(start.bytes)) return seen;
  const fields: Fields = seen.fields.filter(([name]) => name !== "content-encoding");
  return { ...seen, fields: [...fields, ["content-encoding", "gzip"]] };
}

/**
 * Compares the first bytes of a response with its media type, where its pool inspects content, and judges a mismatch as wrong content.
 * Coded content is checked when it is decoded; a body that has come whole is checked to its end.
 *
 * @throws {UpstreamFailure} the body broke off before that
 */
export async function verifiedResponse(exchange: Exchange, ask: Ask, judged: Judged): Promise<Judged> {
  const { response, judgement } = judged;
  if (judgement !== "ok" || ask.method !== "GET" || response.status !== 200) return judged;
  const mediaType = mediaTypeOf(fieldValue(response.fields, "content-type"));
  const isVerified = exchange.tenant.type.verifies(mediaType);
  if (response.body.lengthBytes === 0) return isVerified ? { response, judgement: "wrong_content" } : judged;
  if (!isVerified && !hasSignature(mediaType)) return judged;
  if (codingsOf(response.fields).length > 0) return judged;
  const { body, start } = await beginningOf(response.body);
  // A body that is stored is checked whole when it is; a short one is checked here, which costs nothing.
  const isChecked = isVerified && start.isWhole && (!ask.forCache || start.bytes.byteLength <= FEW_BYTES);
  const isWrong = belies(mediaType, start.bytes) || (isChecked && !isWholeContent(mediaType, start.bytes));
  if (isWrong) {
    body.cancel();
    return { response, judgement: "wrong_content" };
  }
  return { response: body === response.body ? response : { ...response, body }, judgement };
}

/**
 * Why a whole body must not be stored; `null` where nothing is wrong with it, or its pool does not verify content of its type.
 */
export function contentFailure(
  exchange: Exchange,
  { status, fields }: Pick<UpstreamResponse, "status" | "fields">,
  content: Uint8Array,
): UpstreamFailure | null {
  const mediaType = mediaTypeOf(fieldValue(fields, "content-type"));
  // Other statuses are not stored for their content.
  if (status !== 200 || !exchange.tenant.type.verifies(mediaType)) return null;
  return isWholeUncoded(mediaType, fields, content) ? null : cutShort();
}

function isWholeUncoded(mediaType: string, fields: Readonly<Fields>, content: Uint8Array): boolean {
  const [coding, ...others] = codingsOf(fields);
  if (coding === undefined) return isWholeContent(mediaType, content);
  if (content.byteLength === 0) return false;
  if (others.length > 0 || !isKnownCoding(coding) || content.byteLength > MAX_DECODED_BYTES) return true;
  try {
    return isWholeContent(mediaType, decodedBytes(coding, content, 16 * MAX_DECODED_BYTES));
  } catch (error) {
    return error instanceof UpstreamFailure && error.kind === "too_large";
  }
}

function cutShort(): UpstreamFailure {
  return new UpstreamFailure("content", "The body is empty, cut short, or not what Content-Type says", true);
}

/** Whether a response has content that can be checked: all of a representation. */
function isCheckable({ method }: Ask, { status, body }: UpstreamResponse): boolean {
  return method === "GET" && status >= 200 && status !== 204 && status !== 206 && status !== 304 &&
    body.lengthBytes !== 0;
}

/** The beginning of a body, and a body that still gives all of it. */
async function beginningOf(body: UpstreamBody): Promise<{ readonly body: UpstreamBody; readonly start: BodyStart }> {
  const { whole } = body;
  if (whole != null) return { body, start: { bytes: whole, isWhole: true } };
  if (body instanceof ResumedBody && body.start !== null) return { body, start: body.start };
  const start = await readStart(body);
  return { body: new ResumedBody([start.bytes], body, start.isWhole), start };
}

/** The first chunk, or as many as make a signature. */
async function readStart(body: UpstreamBody): Promise<BodyStart> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (length < SIGNATURE_BYTES) {
    const chunk = await body.read();
    if (chunk === null) return { bytes: concat(chunks, length), isWhole: true };
    chunks.push(chunk);
    length += chunk.byteLength;
  }
  const only = chunks.length === 1 ? chunks[0] as Uint8Array<ArrayBuffer> : concat(chunks, length);
  return { bytes: only, isWhole: false };
}
