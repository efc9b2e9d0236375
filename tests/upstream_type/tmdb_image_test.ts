import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { TmdbImage } from "../../lib/upstream_type/tmdb_image.ts";
import { requestFor, typeOptions } from "./_requests.ts";

const type = new TmdbImage(typeOptions());

Deno.test("TmdbImage.keyTarget() and upstreamPath() collapse duplicate slashes and change nothing else", () => {
  const doubled = "/t/p//original//abc.jpg";
  assert.equal(type.upstreamPath(doubled), "/t/p/original/abc.jpg");
  assert.equal(type.keyTarget(requestFor(doubled)), type.keyTarget(requestFor("/t/p/original/abc.jpg")));
  const odd = "/t/p/w780_filter(duotone,ffffff,bababa)/%41%zz.jpg";
  assert.equal(type.upstreamPath(odd), odd);
});

Deno.test("TmdbImage.keyTarget() tells names, sizes, extensions and queries apart, and spellings not", () => {
  const apart = [
    ...[
      "/t/p/w500/a.jpg",
      "/t/p/w500/a.png",
      "/t/p/w500/a.svg",
      "/t/p/w342/a.jpg",
      "/t/p/w500/A.jpg",
      "/t/p/w500/a.jpg?v=1",
    ],
    ...["/t/p/w500/%2Fa.jpg", "/t/p/w500/%.jpg", "/t/p/w500/%25.jpg", "/t/p/w500/%%2F.jpg"],
  ];
  assert.equal(new Set(apart.map((target) => type.keyTarget(requestFor(target)))).size, apart.length);
  const one = ["/t/p/w780_filter(duotone,fff,bab)/a.jpg", "/t/p/w780_filter%28duotone%2Cfff%2cbab%29/%61.jpg"];
  assert.equal(new Set(one.map((target) => type.keyTarget(requestFor(target)))).size, 1);
});

Deno.test("TmdbImage.classify() shares images of any size and extension for about four months", () => {
  for (
    const target of [
      "/t/p/w500/a.jpg",
      "/t/p/w600_and_h900_bestv2//a.png",
      "/t/p/original/a.svg",
      "/t/p/x/a.webp",
      "/t/p/x/a.avif",
    ]
  ) {
    const found = type.classify(requestFor(target, { fields: { authorization: "Bearer x", cookie: "a=b" } }));
    assert.deepEqual([found.name, found.private, found.ttl?.ttlMs], ["image", null, 120 * 86_400_000], target);
  }
  assert.equal(type.classify(requestFor("/t/p/w500/")).ttl, null);
  assert.notEqual(type.classify(requestFor("/t/p/w500/a.jpg", { method: "POST" })).private, null);
});

Deno.test("TmdbImage.outgoing() sends no credentials and always the same Accept", () => {
  const { query, set, credential } = type.outgoing(requestFor("/t/p/w500/a.jpg?v=%zz&api_key=k"));
  const fields = new Map(set);
  assert.deepEqual([query, credential, fields.get("accept")], ["v=%zz", null, "*/*"]);
  for (const name of ["accept-language", "authorization", "cookie", "referer", "origin", "sec-fetch-dest"]) {
    assert.equal(fields.get(name), null);
  }
  assert.ok(type.ignoreVary.has("accept"));
});

Deno.test("TmdbImage lets nothing it carries run in a browser, whatever the origin says of it", () => {
  const fields = new Map(type.responseFields);
  assert.match(fields.get("content-security-policy")!, /^default-src 'none';.*\bsandbox$/);
  assert.equal(fields.get("x-content-type-options"), "nosniff");
  for (const name of ["content-security-policy", "x-content-type-options"]) assert.ok(type.dropFields.has(name), name);
  assert.equal(fields.has("vary"), false);
});

Deno.test("TmdbImage with accept negotiate keeps two classes of clients apart, by a fixed Accept each", () => {
  const negotiating = new TmdbImage(typeOptions({ imageAccept: "negotiate" }));
  const asked = (accept: string | null) => {
    const request = requestFor("/t/p/w500/a.jpg?v=1", { fields: accept === null ? {} : { accept } });
    return [negotiating.keyTarget(request), new Map(negotiating.outgoing(request).set).get("accept")];
  };
  const named = ["/t/p/w500/a.jpg?v=1", "*/*"];
  for (const accept of [null, "*/*", "image/*", "image/webp;q=0", "image/jpeg"]) assert.deepEqual(asked(accept), named);
  const webp = ["/t/p/w500/a.jpg?v=1\0accept:webp", "image/webp,*/*;q=0.8"];
  for (const accept of ["image/webp", "image/avif,image/webp,*/*;q=0.8"]) assert.deepEqual(asked(accept), webp);
  assert.equal(new Map(negotiating.responseFields).get("vary"), "Accept");
});

Deno.test("TmdbImage.judge() wants images", () => {
  const rows: Array<readonly [status: number, type: string | null, judgement: string]> = [
    [200, "image/jpeg", "ok"],
    [206, "image/png", "ok"],
    [200, "image/svg+xml", "ok"],
    [200, "text/html", "wrong_content"],
    [200, "application/json", "wrong_content"],
    [200, null, "wrong_content"],
    [304, null, "ok"],
    [404, "text/html", "ok"],
    [403, "text/html", "wrong_content"],
    [429, "text/html", "limited"],
    [428, null, "limited"],
    [500, "text/html", "failed"],
  ];
  for (const [status, contentType, judgement] of rows) {
    const fields: Fields = contentType === null ? [] : [["content-type", contentType]];
    assert.equal(type.judge({ status, fields }), judgement, `${status} ${contentType}`);
  }
});

Deno.test("TmdbImage.sizes() names what a plain size is fitted to, and the larger ones of the same file, the nearest first", () => {
  assert.deepEqual(type.sizes("/t/p/w500/a.jpg"), {
    fit: { width: 500 },
    larger: ["/t/p/w780/a.jpg", "/t/p/w1280/a.jpg", "/t/p/original/a.jpg"],
  });
  assert.deepEqual(type.sizes("/t/p/h632/a.png"), { fit: { height: 632 }, larger: ["/t/p/original/a.png"] });
  assert.deepEqual(type.sizes("/w1280/a.webp"), { fit: { width: 1280 }, larger: ["/original/a.webp"] });
  assert.equal(type.sizes("/t/p/w45/a.jpg")!.larger.length, 9);
});

Deno.test("TmdbImage.sizes() leaves alone what is cut, coloured, no picture of pixels, or no size", () => {
  const paths = [
    "/t/p/original/a.jpg",
    "/t/p/w600_and_h900_bestv2/a.jpg",
    "/t/p/w780_filter(duotone,ffffff,bababa)/a.jpg",
    "/t/p/w500/a.svg",
    "/t/p/w500/a",
    "/t/p/w0/a.jpg",
    "/t/p/w99999/a.jpg",
    "/t/p/W500/a.jpg",
    "/t/p/w500/",
    "/t/p/w500/b/a.jpg/..",
  ];
  for (const path of paths) assert.equal(type.sizes(path), null, path);
});

Deno.test("TmdbImage.sizes collapses slashes as its keys do", () => {
  assert.deepEqual(type.sizes("/t/p//w1280//a.jpg")!.larger, ["/t/p/original/a.jpg"]);
});

Deno.test("TmdbImage.listedSizes.larger() names the larger sizes of the kinds that list one, a few at most, the original last", () => {
  const rows: Record<string, string[]> = {
    w342: ["w500", "w780", "original"],
    w1280: ["original"],
    h632: ["original"],
    w300: ["w500", "w780", "w1280", "original"],
    w185: ["w300", "w342", "h632", "original"],
    // No kind has it.
    w400: ["h632", "w500", "w780", "original"],
    w1920: ["original"],
    original: [],
    w600_and_h900_bestv2: [],
  };
  for (const [size, larger] of Object.entries(rows)) {
    const expected = larger.map((token) => `/t/p/${token}/a.jpg`);
    assert.deepEqual(type.listedSizes.larger(`/t/p/${size}/a.jpg`), expected, size);
  }
  // A stranger's spelling has the same key, and must not make a 404 of it.
  assert.deepEqual(type.listedSizes.larger("/t/p//w128%30//a.jp%67"), ["/t/p/original/a.jpg"]);
  for (const path of ["/t/p/w342/a.svg", "/t/p/w342/a%2fb.jpg", "/t/p/w342/"]) {
    assert.deepEqual(type.listedSizes.larger(path), [], path);
  }
});

Deno.test("TmdbImage.listedSizes.bounded() names the largest listed size of any kind that is not wider", () => {
  const bounded = (size: string, maxWidth: number) =>
    type.listedSizes.bounded(`/t/p/${size}/a.jpg`, maxWidth)?.split("/")[3] ?? null;
  assert.deepEqual(["original", "w1281", "w1280", "w92"].map((size) => bounded(size, 1280)), [
    "w1280",
    "w1280",
    null,
    null,
  ]);
  assert.deepEqual([bounded("original", 1279), bounded("w780", 400), bounded("w92", 45)], ["w780", "w342", "w45"]);
  assert.deepEqual([bounded("h632", 421), bounded("h632", 420)], [null, "w342"]);
  assert.equal(bounded("w1920_and_h800_multi_faces", 300), null);
  assert.equal(type.listedSizes.bounded("/t/p/original//a.svg", 300), null);
  assert.equal(type.listedSizes.bounded("/t/p//%6Friginal//a.jpg", 300), "/t/p/w300/a.jpg");
});

Deno.test("TmdbImage.tags() names the picture in all its sizes, and the size", () => {
  assert.deepEqual(type.tags(requestFor("/t/p/w500/pB8BM7.jpg")), ["img:pB8BM7", "size:w500"]);
  assert.deepEqual(type.tags(requestFor("/t/p/original//a.svg")), ["img:a", "size:original"]);
  assert.deepEqual(type.tags(requestFor("/t/p/original/a.svg")), ["img:a", "size:original"]);
  assert.deepEqual(type.tags(requestFor("/t/p/w500/")), []);
});
