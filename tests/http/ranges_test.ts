import assert from "node:assert/strict";
import { type Field, fieldValue } from "../../lib/http/fields.ts";
import { parseRange, rangeReply } from "../../lib/http/ranges.ts";

/** Ranges as `first-last`, or the kind where there are none. */
function ranges(value: string, lengthBytes = 1000): string {
  const asked = parseRange(value, lengthBytes);
  return asked.kind === "ranges" ? asked.ranges.map(({ first, last }) => `${first}-${last}`).join(" ") : asked.kind;
}

Deno.test("parseRange() reads first, last and suffix (RFC 9110 §14.1.2)", () => {
  const cases: [value: string, lengthBytes: number, expected: string][] = [
    ["bytes=0-1", 11, "0-1"],
    ["bytes=1-", 11, "1-10"],
    ["bytes=-1", 11, "10-10"],
    ["bytes=-50", 11, "0-10"],
    ["bytes=0-999", 11, "0-10"],
    ["bytes=10-10", 11, "10-10"],
    ["Bytes=0-0", 11, "0-0"],
    ["bytes=0-0,200-210", 1000, "0-0 200-210"],
    ["bytes=500-510, 0-9", 1000, "500-510 0-9"],
    ["bytes=0-0,,2000-", 1000, "0-0"],
    ["bytes=0-99999999999999999999", 11, "0-10"],
  ];
  for (const [value, lengthBytes, expected] of cases) assert.equal(ranges(value, lengthBytes), expected, value);
});

Deno.test("parseRange() finds nothing to send (RFC 9110 §15.5.17)", () => {
  for (const value of ["bytes=1000-", "bytes=-0", "bytes=1000-2000,3000-", "bytes=99999999999999999999-"]) {
    assert.equal(ranges(value), "unsatisfiable", value);
  }
  assert.equal(ranges("bytes=0-", 0), "unsatisfiable");
  assert.equal(ranges("bytes=-1", 0), "unsatisfiable");
});

Deno.test("parseRange() ignores what is malformed or of another unit (RFC 9110 §14.2)", () => {
  for (
    const value of [
      "",
      "bytes",
      "bytes=",
      "lines=0-1",
      "bytes=a-b",
      "bytes=-",
      "bytes=2-1",
      "bytes=0-1,x",
      "bytes=0x1-2",
      "=0-1",
    ]
  ) {
    assert.equal(ranges(value), "whole", value);
  }
});

Deno.test("parseRange() joins what overlaps or nearly touches (RFC 9110 §15.3.7.2)", () => {
  assert.equal(ranges("bytes=0-10,5-20"), "0-20");
  assert.equal(ranges("bytes=0-10,11-20"), "0-20");
  assert.equal(ranges("bytes=100-110,0-50"), "0-110");
  assert.equal(ranges("bytes=0-10,200-210"), "0-10 200-210");
});

Deno.test("parseRange() refuses many ranges and many overlaps (RFC 9110 §14.2, §17.15)", () => {
  assert.equal(ranges("bytes=0-,0-,0-,0-"), "unsatisfiable");
  assert.equal(ranges(`bytes=${"0-,".repeat(1000)}`), "unsatisfiable");
  const spread = Array.from({ length: 17 }, (_, index) => `${index * 1000}-${index * 1000 + 1}`).join(",");
  assert.equal(ranges(`bytes=${spread}`, 1_000_000), "unsatisfiable");
  const many = Array.from({ length: 65 }, (_, index) => `${index}-${index}`).join(",");
  assert.equal(ranges(`bytes=${many}`), "unsatisfiable");
});

const FIELDS: Field[] = [["content-type", "text/plain"], ["etag", '"1"'], ["content-length", "11"]];

interface Asking {
  readonly range?: string;
  readonly ifRange?: string;
  readonly method?: string;
  readonly status?: number;
  readonly text?: string;
}

function ask({ range, ifRange, method = "GET", status = 200, text = "0123456789A" }: Asking) {
  const body = new TextEncoder().encode(text);
  const header = (name: string) => ({ range, "if-range": ifRange })[name] ?? null;
  const field = (name: string) => fieldValue(FIELDS, name);
  return rangeReply({ method, header }, { status, fields: FIELDS, field, responseTimeMs: 0, body }, "BOUND");
}

function textOf(chunks: readonly Uint8Array[]): string {
  return chunks.map((chunk) => new TextDecoder().decode(chunk)).join("");
}

Deno.test("rangeReply() sends one range with its place (RFC 9110 §15.3.7.1)", () => {
  const reply = ask({ range: "bytes=2-4" });
  assert.equal(reply?.status, 206);
  assert.equal(textOf(reply?.chunks ?? []), "234");
  assert.deepEqual(reply?.fields, [
    ["content-type", "text/plain"],
    ["etag", '"1"'],
    ["content-range", "bytes 2-4/11"],
    ["content-length", "3"],
  ]);
});

Deno.test("rangeReply() sends several ranges as parts (RFC 9110 §14.6, §15.3.7.2)", () => {
  const reply = ask({ range: "bytes=0-1,300-302", text: "ab".padEnd(300, "-") + "xyz" });
  assert.equal(
    textOf(reply?.chunks ?? []),
    "--BOUND\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-1/303\r\n\r\nab\r\n" +
      "--BOUND\r\ncontent-type: text/plain\r\ncontent-range: bytes 300-302/303\r\n\r\nxyz\r\n--BOUND--\r\n",
  );
  const fields = new Map(reply?.fields);
  assert.equal(fields.get("content-type"), "multipart/byteranges; boundary=BOUND");
  assert.equal(fields.get("content-length"), String(textOf(reply?.chunks ?? []).length));
  assert.equal(fields.get("etag"), '"1"');
  assert.equal(fields.has("content-range"), false);
});

Deno.test("rangeReply() answers 416 with the length there is (RFC 9110 §15.5.17)", () => {
  assert.deepEqual(ask({ range: "bytes=11-" }), {
    status: 416,
    fields: [["content-range", "bytes */11"], ["content-length", "0"]],
    chunks: [],
  });
});

Deno.test("rangeReply() leaves the whole to be sent (RFC 9110 §14.2)", () => {
  const whole: Asking[] = [
    {},
    { range: "lines=1-2" },
    { range: "bytes=0-1", method: "HEAD" },
    { range: "bytes=0-1", status: 404 },
    { range: "bytes=0-1", ifRange: '"2"' },
    { range: "bytes=0-1", ifRange: 'W/"1"' },
  ];
  for (const asking of whole) assert.equal(ask(asking), null, JSON.stringify(asking));
  assert.equal(ask({ range: "bytes=0-1", ifRange: '"1"' })?.status, 206);
});
