import assert from "node:assert/strict";
import { latin1Text } from "./_raw_server.ts";
import { systemClock } from "../../lib/clock.ts";
import { createHttp1Transport, type Http1TransportOptions } from "../../lib/upstream_client/http1_transport.ts";
import {
  type Deadlines,
  type FailureKind,
  type RequestBody,
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

export function request(method = "GET", target = "/", body: RequestBody | null = null): UpstreamRequest {
  return { method, target, fields: [["host", "upstream.example"]], body };
}

/** A body of the given chunks, with the length announced or not. */
export function streamed(chunks: Uint8Array[], lengthBytes: number | null): RequestBody {
  const rest = chunks.slice();
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = rest.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  });
  return { stream, lengthBytes };
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
