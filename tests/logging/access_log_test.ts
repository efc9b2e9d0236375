import assert from "node:assert/strict";
import { accessTemplate, TEMPLATE_NAMES } from "../../lib/logging/access_format.ts";
import { AccessLog, type AccessSettings } from "../../lib/logging/access_log.ts";
import type { AccessRecord } from "../../lib/logging/access_record.ts";
import { createLogger } from "../../lib/logging/logger.ts";

const ALL: AccessSettings = { access: "all", format: "auto", slowMs: null, sample: 1 };

const RECORD: AccessRecord = {
  timeMs: Date.UTC(2026, 9, 5, 3, 4, 5, 6),
  id: "r-1",
  listener: "api",
  client: "192.0.2.7",
  clientName: undefined,
  protocol: "HTTP/1.1",
  method: "GET",
  host: "tmdb.example",
  target: "/3/movie/550?api_key=0123456789abcdef&language=de",
  status: 200,
  termination: "--",
  requestBytes: undefined,
  bytes: 1_234,
  ms: 1.2345,
  cache: "hit_memory",
  fwd: undefined,
  fwdStatus: undefined,
  ttl: 60,
  stored: undefined,
  detail: undefined,
  upstream: undefined,
  tries: undefined,
  rule: undefined,
  error: undefined,
  level: "info",
  sample: undefined,
  slow: undefined,
  trace: undefined,
  referer: "http://page.example/?token=0123456789abcdef",
  userAgent: 'Kodi "21"\u001b[2J',
};

function written(settings: Partial<AccessSettings> = {}, over: Partial<AccessRecord> = {}): string {
  const lines: string[] = [];
  const logger = createLogger({ level: "error", format: "json", sink: (line) => void lines.push(line), now: () => 0 });
  new AccessLog({ ...ALL, ...settings }).write(logger.with({ worker: "serving-0" }), { ...RECORD, ...over });
  assert.equal(lines.length, 1);
  assert.ok(lines[0]!.endsWith("\n"));
  return lines[0]!.slice(0, -1);
}

Deno.test("AccessLog.wants() follows the policy: all, none, or those that went wrong or took a second try", () => {
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
    assert.equal(new AccessLog(ALL).wants(status, tries, 5), true);
    assert.equal(
      new AccessLog({ ...ALL, access: "errors" }).wants(status, tries, 5),
      errors,
      `${status} after ${tries}`,
    );
    assert.equal(new AccessLog({ ...ALL, access: "off" }).wants(status, tries, 5), false);
  }
});

Deno.test("AccessLog.wants() takes slow requests whatever the policy is, and one in so many of those that went well", () => {
  for (const access of ["all", "errors", "off"] as const) {
    const log = new AccessLog({ ...ALL, access, slowMs: 2_000, sample: 1_000 });
    assert.equal(log.wants(200, 1, 2_000), true);
    assert.equal(log.sampleOf(200, 1, 2_000), undefined);
  }
  const log = new AccessLog({ ...ALL, sample: 4, slowMs: 2_000 });
  const asked = Array.from({ length: 12 }, () => log.wants(200, 1, 1_999));
  assert.deepEqual(asked.map((wanted, at) => wanted ? at : -1).filter((at) => at >= 0), [0, 4, 8]);
  assert.deepEqual([log.wants(404, 1, 1), log.wants(499, 0, 1), log.wants(200, 2, 1)], [true, true, true]);
  assert.deepEqual([log.sampleOf(200, 1, 1), log.sampleOf(404, 1, 1), log.sampleOf(200, 2, 1)], [
    4,
    undefined,
    undefined,
  ]);
});

Deno.test("AccessLog writes all of a hit, without credentials and without what does not concern it", () => {
  assert.deepEqual(JSON.parse(written()), {
    time: "1970-01-01T00:00:00.000Z",
    worker: "serving-0",
    access: "api",
    id: "r-1",
    client: "192.0.2.7",
    protocol: "HTTP/1.1",
    method: "GET",
    host: "tmdb.example",
    target: "/3/movie/550?api_key=[redacted]&language=de",
    status: 200,
    termination: "--",
    bytes: 1_234,
    ms: 1.2,
    cache: "hit_memory",
    ttl: 60,
    level: "info",
  });
});

Deno.test("AccessLog writes a line as text where its format says so, whatever the log's is", () => {
  const line = written({ format: "text" }, {
    status: 504,
    upstream: "http://one.example",
    tries: 2,
    queueMs: 0.04,
    connectMs: 12.34,
  });
  assert.match(line, /^1970\S+ worker=serving-0 access=api id=r-1 client=192\.0\.2\.7 /);
  assert.match(line, / status=504 .* queue_ms=0 connect_ms=12\.3 .*upstream=http:\/\/one\.example tries=2 /);
});

Deno.test("AccessLog writes NCSA's combined format, which nothing of a request can break out of", () => {
  assert.equal(
    written({ format: "combined" }, { clientName: "living room", target: '/a"b\\?key=0123' }),
    '192.0.2.7 - living room [05/Oct/2026:03:04:05 +0000] "GET /a\\x22b\\x5c?key=[redacted] HTTP/1.1" 200 1234 ' +
      '"http://page.example/?token=[redacted]" "Kodi \\x2221\\x22\\u001b[2J"',
  );
  assert.match(written({ format: "combined" }, { client: undefined, userAgent: undefined }), /^- - - \[.* "-"$/);
});

Deno.test("accessTemplate() fills in values by their names, and takes no others", () => {
  const line = accessTemplate("{{{listener}}} {status} {upstream} {ms}ms {time}");
  assert.equal(line(RECORD), "{api} 200 - 1.2ms 2026-10-05T03:04:05.006Z");
  for (
    const wrong of [
      "{authorization}",
      "{cookie}",
      "{}",
      "{status",
      "status}",
      "{ status }",
      "{__proto__}",
      "{constructor}",
    ]
  ) {
    assert.throws(() => accessTemplate(wrong), { name: "TemplateError" }, wrong);
  }
  assert.ok(!TEMPLATE_NAMES.some((name) => /auth|cookie|header|field/.test(name)));
});
