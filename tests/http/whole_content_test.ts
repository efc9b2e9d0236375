import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { isGzip, isNeverGzip, isWholeContent } from "../../lib/http/whole_content.ts";
import { drawn } from "../image/pictures.ts";

const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

const DOCUMENTS = [
  '{"page":1,"results":[{"id":5,"title":"a }] \\" b"},{"id":6,"x":[[],{}]}],"total":2}',
  '[{"id":1},[2,[3]],"\\\\",{"a":"]"}]',
  '"a string \\"with\\" quotes\\\\"',
  '\xef\xbb\xbf {"mark":"\xe2\x82\xac"}',
];

Deno.test("isWholeContent() takes JSON of every kind, and white space around it", () => {
  for (const text of [...DOCUMENTS, "{}", "[]", '""', "true", "false", "null", "0", "-1.5e-3", "17"]) {
    for (const [before, after] of [["", ""], ["", "\n"], ["", " \r\n\t"]] as const) {
      for (const type of ["application/json", "text/json", "application/problem+json"]) {
        assert.equal(isWholeContent(type, bytes(before + text + after)), true, text);
      }
    }
  }
  assert.equal(isWholeContent("application/json", bytes(" \n {}")), true);
});

Deno.test("isWholeContent() finds every place at which JSON can be cut short", () => {
  for (const text of DOCUMENTS) {
    for (let length = 0; length < text.length; length++) {
      assert.equal(isWholeContent("application/json", bytes(text.slice(0, length))), false, text.slice(0, length));
    }
  }
});

Deno.test("isWholeContent() takes nothing blank for content, whatever its type, and no other text for JSON", () => {
  for (const blank of ["", " ", "\r\n", "\n".repeat(5_000), "\xef\xbb\xbf", "\xef\xbb\xbf \t"]) {
    for (const type of ["application/json", "image/png", "image/x-icon", "text/plain", "application/javascript", ""]) {
      assert.equal(isWholeContent(type, bytes(blank)), false, `${type} ${JSON.stringify(blank)}`);
    }
  }
  for (const text of ["Forbidden", "<html></html>", "{}{}", "{} x", "tru", "nul", "1.", "-", '"a" "b"', "undefined"]) {
    assert.equal(isWholeContent("application/json", bytes(text)), false, text);
  }
  for (const [type, text] of [["text/plain", "x"], ["application/javascript", "f({})"], ["", "x"]] as const) {
    assert.equal(isWholeContent(type, bytes(text)), true, type);
  }
});

Deno.test("isWholeContent() holds XML against its tags", () => {
  for (const type of ["application/xml", "text/xml", "application/rss+xml"]) {
    assert.equal(isWholeContent(type, bytes('<?xml version="1.0"?><a><b/></a>\n')), true);
    for (const text of ["<a><b", "a</a>", '<a href="']) assert.equal(isWholeContent(type, bytes(text)), false, text);
  }
});

/** Real pictures of every format that there is a coder for, and drawn by hand. */
async function pictures(): Promise<[format: string, bytes: Uint8Array][]> {
  const formats = ["jpeg", "png", "webp", "avif", "gif"] as const;
  const drawings = await Promise.all(
    formats.map(async (format): Promise<[string, Uint8Array]> => [
      format,
      await drawn(format, { width: 24, height: 16, look: "noise", quality: 30 }),
    ]),
  );
  return [
    ...drawings,
    ["svg", bytes('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><g><path d="M0 0"/></g></svg>\n')],
    ["prefixed svg", bytes('<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:g></s:g></s:svg><!-- a > b -->')],
    ["empty svg", bytes('<svg xmlns="http://www.w3.org/2000/svg"/>')],
  ];
}

Deno.test("isWholeContent() takes pictures of every format under every picture type, and finds each that is cut short", async () => {
  for (const [format, picture] of await pictures()) {
    for (const type of ["image/jpeg", "image/png", "image/webp", "image/avif", "image/gif", "image/svg+xml"]) {
      assert.equal(isWholeContent(type, picture), true, `${format} as ${type}`);
    }
    // The GIF's end is one byte, which also comes in its pixels; the end of an SVG may be followed by white space or a comment.
    const lengths = format === "gif" || format.endsWith("svg")
      ? [picture.length >> 1, picture.length >> 2].filter((length) => !endsLikeGif(picture.slice(0, length)))
      : picture.keys();
    for (const length of lengths) {
      assert.equal(isWholeContent("image/jpeg", picture.slice(0, length)), false, `${format} cut to ${length}`);
    }
  }
});

/** Its pixels are noise, and by chance what is left of them ends so. */
function endsLikeGif(part: Uint8Array): boolean {
  return part.findLast((byte) => byte !== 0) === 0x3b;
}

Deno.test("isWholeContent() minds no bytes behind the end of a picture, and no thumbnail before it", async () => {
  for (const [format, picture] of await pictures()) {
    // Of an SVG there is nothing behind the end but white space, comments and instructions.
    if (format.endsWith("svg")) continue;
    for (const more of [[10], [0, 0, 10], [13, 10, 26], [1, 2, 3, 4, 5, 6, 7, 8, 9, 200, 3, 255, 0]]) {
      assert.equal(isWholeContent("image/jpeg", Uint8Array.of(...picture, ...more)), true, `${format} and ${more}`);
    }
  }
  const [, jpeg] = (await pictures())[0]!;
  const thumbnail = [0xff, 0xe1, 0, 10, 0xff, 0xd8, 0xff, 0xd9, 0xff, 0xff, 0xd9, 0xff];
  const withThumbnail = Uint8Array.of(...jpeg.subarray(0, 2), ...thumbnail, ...jpeg.subarray(2));
  assert.equal(isWholeContent("image/jpeg", withThumbnail), true);
  assert.equal(isWholeContent("image/jpeg", withThumbnail.subarray(0, -2)), false);
});

Deno.test("isWholeContent() takes a picture that ends with its own end for whole, whatever is before that", () => {
  const noise = String.fromCharCode(...Array.from({ length: 600 }, (_, at) => at * 7 % 251));
  const rows: readonly (readonly [head: string, end: string])[] = [
    ["\xff\xd8\xff\xe0", "\xff\xd9"],
    ["\xff\xd8\xff", "\xff\xd9\0\0\0"],
    ["\x89PNG\r\n\x1a\n", "\0\0\0\0IEND\xae\x42\x60\x82"],
    ["GIF89a", ";"],
    ["GIF87a", ";\0\0"],
  ];
  for (const [head, end] of rows) {
    assert.equal(isWholeContent("image/jpeg", bytes(head + noise + end)), true, head);
    assert.equal(isWholeContent("image/jpeg", bytes(head + noise)), false, head);
  }
});

Deno.test("isWholeContent() minds nothing behind the end of an SVG that is none of it", () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><g></g></svg>';
  for (const more of ["<?xpacket end='w'?>", "\n<!-- a --><?b c?>\n", "<?b c?><!-- > -->"]) {
    assert.equal(isWholeContent("image/svg+xml", bytes(svg + more)), true, more);
    assert.equal(isWholeContent("image/svg+xml", bytes(svg.slice(0, -6) + more)), false, more);
  }
});

Deno.test("isWholeContent() takes the script that a callback makes of a document for one, under the document's type", () => {
  for (const text of ['cb({"id":1})', '/**/ jQuery1.cb_2({"id":1});', "$([])\n", "a.b.c(5);"]) {
    assert.equal(isWholeContent("application/json", bytes(text)), true, text);
  }
  for (const text of ['cb({"id":1}', "cb(", "Forbidden", "Forbidden (by policy)", "function() {", "(1)"]) {
    assert.equal(isWholeContent("application/json", bytes(text)), false, text);
  }
});

Deno.test("isWholeContent() does not read beyond what it was given, whatever lengths a picture tells", () => {
  for (
    const head of [
      "\xff\xd8\xff\xe0\xff\xff",
      "\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR",
      "RIFF\xff\xff\xff\xffWEBP",
    ]
  ) {
    assert.equal(isWholeContent("image/jpeg", bytes(head)), false, head);
    assert.equal(isWholeContent("image/jpeg", bytes(head + "\0".repeat(64))), false, head);
  }
  for (
    const box of [
      "\0\0\0\x08ftyp",
      "\0\0\0\x18ftypavif\0\0\0\x04mdat",
      "\0\0\0\x01ftypavif\xff\xff\xff\xff\xff\xff\xff\xff",
    ]
  ) {
    assert.equal(isWholeContent("image/avif", bytes(box)), false);
  }
});

Deno.test("isGzip() and isNeverGzip() tell what nobody would send in gzip without saying so", () => {
  assert.equal(isGzip(gzipSync("a")), true);
  for (const other of [[], [0x1f], [0x1f, 0x8c, 8], [0x1f, 0x8b, 7], [0x7b, 0x7d]]) {
    assert.equal(isGzip(Uint8Array.from(other)), false, String(other));
  }
  for (
    const type of ["application/json", "image/svg+xml", "image/jpeg", "text/html", "application/javascript", "text/xml"]
  ) {
    assert.equal(isNeverGzip(type), true, type);
  }
  for (const type of ["application/gzip", "application/x-gzip", "application/octet-stream", "application/x-tar", ""]) {
    assert.equal(isNeverGzip(type), false, type);
  }
});
