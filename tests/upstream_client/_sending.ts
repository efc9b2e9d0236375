import assert from "node:assert/strict";
import { latin1Text } from "./_raw_server.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Fields } from "../../lib/http/fields.ts";
import type { BodySource } from "../../lib/wire/body_source.ts";
import { createHttp1Transport, type Http1TransportOptions } from "../../lib/upstream_client/http1_transport.ts";
import {
  type Deadlines,
  type FailureKind,
  type Transport,
  UpstreamFailure,
  type UpstreamRequest,
} from "../../lib/upstream_client/transport.ts";

/** Long enough not to be met by a test that does not mean to. */
export const PATIENT: Deadlines = { connectMs: 120_000, firstByteMs: 120_000, idleMs: 120_000 };

export function transportTo(url: URL, options: Partial<Http1TransportOptions> = {}): Transport {
  return createHttp1Transport({
    url,
    caCerts: [],
    allowPrivate: true,
    maxConnections: 8,
    clock: systemClock,
    ...options,
  });
}

export function request(method = "GET", target = "/", body: BodySource | null = null): UpstreamRequest {
  return { method, target, fields: [["host", "upstream.example"]], body };
}

/** A body of the given chunks, with the length announced or not. Its memory is written over as soon as the next one is asked for. */
export function streamed(chunks: Uint8Array[], lengthBytes: number | null, trailers: Fields | null = null): BodySource {
  const rest = chunks.slice();
  const lent = new Uint8Array(Math.max(0, ...chunks.map((chunk) => chunk.length)));
  return {
    lengthBytes,
    trailers,
    read() {
      lent.fill(0);
      const chunk = rest.shift();
      if (chunk === undefined) return Promise.resolve(null);
      lent.set(chunk);
      return Promise.resolve(lent.subarray(0, chunk.length));
    },
    cancel: () => void rest.splice(0),
  };
}

/** What is seen of a body's source. */
export interface SourceLog {
  reads: number;
  isCancelled: boolean;
}

/** A body that gives what `next` gives, and tells how often it was asked and whether it was cancelled. */
export function sourced(
  lengthBytes: number | null,
  next: () => Promise<Uint8Array | null>,
): { body: BodySource; seen: SourceLog } {
  const seen = { reads: 0, isCancelled: false };
  const read = () => {
    seen.reads++;
    return next();
  };
  return { body: { lengthBytes, read, cancel: () => void (seen.isCancelled = true) }, seen };
}

/** A body whose source the test feeds by hand. */
export function fed(lengthBytes: number | null) {
  const chunks: (Uint8Array | null | Error)[] = [];
  let waiting: (() => void) | null = null;
  const feed = (chunk: Uint8Array | null | Error) => {
    chunks.push(chunk);
    waiting?.();
  };
  const { body, seen } = sourced(lengthBytes, async () => {
    if (chunks.length === 0) await new Promise<void>((resolve) => waiting = resolve);
    const chunk = chunks.shift();
    if (chunk instanceof Error) throw chunk;
    return chunk ?? null;
  });
  return { body, seen, feed };
}

/** Sends, reads everything and says what came: status and body text. */
export async function exchange(transport: Transport, what = request()): Promise<[status: number, text: string]> {
  const response = await transport.send(what, { deadlines: PATIENT });
  const bytes = await response.body.readAll(1 << 24);
  return [response.status, latin1Text(bytes)];
}

/** The failure that `action` ends with; any other error, and success, fail the test. */
export async function failureOf(action: Promise<unknown>, kind: FailureKind): Promise<UpstreamFailure> {
  try {
    await action;
  } catch (error) {
    assert.ok(error instanceof UpstreamFailure, `Expected an UpstreamFailure: received ${error}`);
    assert.equal(error.kind, kind, error.message);
    return error;
  }
  assert.fail(`Expected a failure of kind ${kind}`);
}

/** Polls until `isTrue`; gives up after five seconds. */
export async function eventually(isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 120_000;
  while (!isTrue()) {
    assert.ok(performance.now() < deadlineMs, "Expected it to come true within five seconds");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A test that also fails when it leaves an operation, a timer or a socket behind; Deno does not look by itself. */
export function leakless(name: string, fn: () => Promise<void>): Deno.TestDefinition {
  return { name, fn, sanitizeOps: true, sanitizeResources: true };
}
