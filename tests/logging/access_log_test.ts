import assert from "node:assert/strict";
import { type AccessRecord, wantsAccessLine, writeAccessLine } from "../../lib/logging/access_log.ts";
import { createLogger } from "../../lib/logging/logger.ts";

const RECORD: AccessRecord = {
  requestId: "r-1",
  listener: "api",
  client: "192.0.2.7",
  clientName: null,
  method: "GET",
  target: "/3/movie/550?api_key=0123456789abcdef&language=de",
  status: 200,
  bytes: 1_234,
  durationMs: 1.2345,
  cache: "usher; hit; ttl=60",
  upstream: null,
  tries: 0,
  error: null,
};

function written(over: Partial<AccessRecord> = {}): Record<string, unknown> {
  const lines: string[] = [];
  const logger = createLogger({ level: "error", format: "json", sink: (line) => void lines.push(line), now: () => 0 });
  writeAccessLine(logger, { ...RECORD, ...over });
  assert.equal(lines.length, 1);
  return JSON.parse(lines[0]!);
}

Deno.test("wantsAccessLine() follows the policy: all, none, or those that went wrong or took a second try", () => {
  const cases: ReadonlyArray<readonly [status: number, tries: number, errors: boolean]> = [
    [200, 0, false],
    [200, 1, false],
    [200, 2, true],
    [404, 1, false],
    [499, 1, false],
    [500, 0, true],
    [504, 3, true],
  ];
  for (const [status, tries, errors] of cases) {
    assert.equal(wantsAccessLine("all", status, tries), true);
    assert.equal(wantsAccessLine("errors", status, tries), errors, `${status} after ${tries}`);
    assert.equal(wantsAccessLine("off", status, tries), false);
  }
});

Deno.test("writeAccessLine() says all of a hit, without credentials and without what does not concern it", () => {
  assert.deepEqual(written(), {
    time: "1970-01-01T00:00:00.000Z",
    access: "api",
    id: "r-1",
    client: "192.0.2.7",
    method: "GET",
    target: "/3/movie/550?api_key=[redacted]&language=de",
    status: 200,
    bytes: 1_234,
    ms: 1.2,
    cache: "usher; hit; ttl=60",
  });
});

Deno.test("writeAccessLine() names the upstream, the tries and the gateway's own error", () => {
  const line = written({
    upstream: "http://one.example",
    tries: 2,
    error: "upstream_timeout",
    status: 504,
    bytes: null,
  });
  const { upstream, tries, error, bytes } = line;
  assert.deepEqual(
    { upstream, tries, error, bytes },
    { upstream: "http://one.example", tries: 2, error: "upstream_timeout", bytes: null },
  );
});

Deno.test("writeAccessLine() names the client that has a token", () => {
  assert.equal(written({ clientName: "living-room" })["client_name"], "living-room");
  assert.ok(!("client_name" in written()));
});
