import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ChunkedDecoder } from "../../lib/wire/chunked_decoder.ts";
import { findHeadEnd } from "../../lib/wire/head_end.ts";
import { parseResponseHead, responseFraming } from "../../lib/wire/response_head.ts";
import { WireError } from "../../lib/wire/wire_error.ts";
import { textOf } from "./read_requests.ts";
import type { TakenResponse } from "./response_cases.ts";

/** Reads the response to `method` off pieces that end with the connection; `null` where it is refused. */
export function readResponse(method: string, pieces: readonly Uint8Array[]): TakenResponse | null {
  try {
    return takeResponse(method, pieces.slice());
  } catch (error) {
    if (error instanceof WireError) return null;
    throw error;
  }
}

function takeResponse(method: string, pieces: Uint8Array[]): TakenResponse {
  const buffer = Buffer.alloc(8192, "a: b\r\n\r\n");
  let end = 0;
  let headEnd = -1;
  for (let scannedTo = 0; headEnd < 0; scannedTo = end) {
    const piece = pieces.shift();
    assert.ok(piece !== undefined, "the head is complete");
    buffer.set(piece, end);
    headEnd = findHeadEnd(buffer, 0, end += piece.length, scannedTo);
  }
  const head = parseResponseHead(buffer, 0, headEnd);
  const { kind, lengthBytes, isPersistent } = responseFraming(method, head);
  const rest = [buffer.subarray(headEnd, end), ...pieces];
  const body = kind === "chunked" ? decoded(rest) : cut(textOf(Buffer.concat(rest)), lengthBytes);
  return { status: head.status, body, isPersistent };
}

function cut(text: string, lengthBytes: number | null): string | null {
  if (lengthBytes === null) return text;
  return text.length < lengthBytes ? null : text.slice(0, lengthBytes);
}

function decoded(pieces: readonly Uint8Array[]): string | null {
  const decoder = new ChunkedDecoder({ allowsPaddedSize: true });
  let text = "";
  for (const piece of pieces) text += textOf(piece.subarray(0, decoder.decode(piece, 0, piece.length)));
  return decoder.isDone ? text : null;
}
