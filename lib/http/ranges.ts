import { type ConditionalRequest, rangeApplies, type SelectedResponse } from "./conditional.ts";
import type { Fields } from "./fields.ts";
import { trimSpace } from "./list.ts";

/** One range of bytes, both ends included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** A `Range` field, applied to a representation. */
export type RangeRequest =
  /** No range unit we know, or malformed: the whole is sent (RFC 9110 §14.2). */
  | { readonly kind: "whole" }
  | { readonly kind: "ranges"; readonly ranges: readonly ByteRange[] }
  /** Nothing of it exists, or it asks for too much: 416 (RFC 9110 §15.5.17). */
  | { readonly kind: "unsatisfiable" };

/** Ranges that are read, and ranges that are answered, at most. */
const MAX_ASKED = 64;
const MAX_ANSWERED = 16;
/** Overlapping ranges have no honest use past this many. */
const MAX_OVERLAPS = 2;
/** A smaller gap costs less to send than the part header it would save. */
const MAX_GAP_BYTES = 80;

const WHOLE: RangeRequest = { kind: "whole" };
const UNSATISFIABLE: RangeRequest = { kind: "unsatisfiable" };
const RANGE = /^(\d*)-(\d*)$/;

/**
 * Reads a `Range` field for a representation of `lengthBytes` (RFC 9110 §14.1.2, §14.2). Ranges that lie wholly outside are left
 * out, overlapping and nearly touching ones joined. Too many, or too many that overlap, are refused as an attack.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseRange } from "./ranges.ts";
 * assert.deepEqual(parseRange("bytes=0-1", 10), { kind: "ranges", ranges: [{ first: 0, last: 1 }] });
 * assert.deepEqual(parseRange("bytes=-3", 10), { kind: "ranges", ranges: [{ first: 7, last: 9 }] });
 * assert.deepEqual(parseRange("bytes=10-", 10), { kind: "unsatisfiable" });
 * assert.deepEqual(parseRange("lines=1-2", 10), { kind: "whole" });
 * ```
 */
export function parseRange(value: string, lengthBytes: number): RangeRequest {
  const equals = value.indexOf("=");
  if (trimSpace(value.slice(0, equals)).toLowerCase() !== "bytes") return WHOLE;
  const specs = value.slice(equals + 1).split(",").map(trimSpace).filter((spec) => spec !== "");
  if (specs.length === 0) return WHOLE;
  if (specs.length > MAX_ASKED) return UNSATISFIABLE;
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const range = parseSpec(spec, lengthBytes);
    if (range === undefined) return WHOLE;
    if (range !== null) ranges.push(range);
  }
  return ranges.length === 0 ? UNSATISFIABLE : joined(ranges);
}

/** One range; `null` where it lies outside, `undefined` where it is malformed. */
function parseSpec(spec: string, lengthBytes: number): ByteRange | null | undefined {
  const match = RANGE.exec(spec);
  if (match === null) return undefined;
  const [, from = "", to = ""] = match;
  if (from === "") {
    if (to === "") return undefined;
    const suffixBytes = Math.min(Number(to), lengthBytes);
    return suffixBytes === 0 ? null : { first: lengthBytes - suffixBytes, last: lengthBytes - 1 };
  }
  const first = Number(from);
  if (to !== "" && Number(to) < first) return undefined;
  if (first >= lengthBytes) return null;
  return { first, last: to === "" ? lengthBytes - 1 : Math.min(Number(to), lengthBytes - 1) };
}

/** Joins ranges that overlap or nearly touch; in the order asked where none do. */
function joined(ranges: readonly ByteRange[]): RangeRequest {
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  const merged: { first: number; last: number }[] = [];
  let overlaps = 0;
  for (const { first, last } of sorted) {
    const before = merged.at(-1);
    if (before === undefined || first > before.last + 1 + MAX_GAP_BYTES) {
      merged.push({ first, last });
      continue;
    }
    if (first <= before.last) overlaps++;
    before.last = Math.max(before.last, last);
  }
  if (overlaps > MAX_OVERLAPS || merged.length > MAX_ANSWERED) return UNSATISFIABLE;
  return { kind: "ranges", ranges: merged.length === ranges.length ? ranges : merged };
}

/** The response that a range request gets from a complete one. */
export interface RangeReply {
  readonly status: 206 | 416;
  /** All fields to send, `content-length` included. */
  readonly fields: Fields;
  /** The content, in order; views into the stored body where they can be. */
  readonly chunks: readonly Uint8Array[];
}

/** A complete response with its content. */
export interface CompleteResponse extends SelectedResponse {
  readonly fields: Readonly<Fields>;
  readonly body: Uint8Array;
}

/**
 * Answers a range request from a complete stored response (RFC 9110 §14): 206 with one range, 206 with `multipart/byteranges`, or 416.
 * `null` says to send the whole: not a `GET`, not a 200, no `Range`, or `If-Range` names another representation.
 * `boundary` separates parts and must not occur in the body: a random one.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { rangeReply } from "./ranges.ts";
 * const body = new TextEncoder().encode("0123456789");
 * const stored = { status: 200, fields: [], field: () => null, responseTimeMs: 0, body };
 * const request = { method: "GET", header: (name: string) => name === "range" ? "bytes=2-4" : null };
 * const reply = rangeReply(request, stored, "b");
 * assert.equal(reply?.status, 206);
 * assert.deepEqual(reply?.fields, [["content-range", "bytes 2-4/10"], ["content-length", "3"]]);
 * assert.equal(new TextDecoder().decode(reply?.chunks[0]), "234");
 * ```
 */
export function rangeReply(
  request: ConditionalRequest,
  response: CompleteResponse,
  boundary: string,
): RangeReply | null {
  if (request.method !== "GET" || response.status !== 200) return null;
  const value = request.header("range");
  if (value === null || !rangeApplies(request.header("if-range"), response)) return null;
  const lengthBytes = response.body.byteLength;
  const asked = parseRange(value, lengthBytes);
  if (asked.kind === "whole") return null;
  if (asked.kind === "unsatisfiable") return unsatisfiable(lengthBytes);
  const [only] = asked.ranges;
  if (asked.ranges.length === 1 && only !== undefined) return single(response, only);
  return multipart(response, asked.ranges, boundary);
}

function unsatisfiable(lengthBytes: number): RangeReply {
  return { status: 416, fields: [["content-range", `bytes */${lengthBytes}`], ["content-length", "0"]], chunks: [] };
}

function single(response: CompleteResponse, range: ByteRange): RangeReply {
  const chunk = response.body.subarray(range.first, range.last + 1);
  const fields = without(response.fields, REPLACED_IN_SINGLE);
  fields.push(["content-range", contentRange(range, response.body.byteLength)]);
  fields.push(["content-length", String(chunk.byteLength)]);
  return { status: 206, fields, chunks: [chunk] };
}

function multipart(response: CompleteResponse, ranges: readonly ByteRange[], boundary: string): RangeReply {
  const encoder = new TextEncoder();
  const type = response.field("content-type");
  const chunks: Uint8Array[] = [];
  for (const range of ranges) {
    const typeLine = type === null ? "" : `content-type: ${type}\r\n`;
    const rangeLine = `content-range: ${contentRange(range, response.body.byteLength)}\r\n`;
    chunks.push(encoder.encode(`${chunks.length === 0 ? "" : "\r\n"}--${boundary}\r\n${typeLine}${rangeLine}\r\n`));
    chunks.push(response.body.subarray(range.first, range.last + 1));
  }
  chunks.push(encoder.encode(`\r\n--${boundary}--\r\n`));
  const lengthBytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const fields = without(response.fields, REPLACED_IN_MULTIPART);
  fields.push(["content-type", `multipart/byteranges; boundary=${boundary}`], ["content-length", String(lengthBytes)]);
  return { status: 206, fields, chunks };
}

const REPLACED_IN_SINGLE: ReadonlySet<string> = new Set(["content-length", "content-range"]);
const REPLACED_IN_MULTIPART: ReadonlySet<string> = new Set(["content-length", "content-range", "content-type"]);

function without(fields: Readonly<Fields>, names: ReadonlySet<string>): Fields {
  return fields.filter(([name]) => !names.has(name));
}

function contentRange(range: ByteRange, lengthBytes: number): string {
  return `bytes ${range.first}-${range.last}/${lengthBytes}`;
}
