import assert from "node:assert/strict";
import { ContentRule, hasContent, isBlockPage, isPage } from "../../lib/upstream_type/_content.ts";

Deno.test("isPage() and isBlockPage() know pages in the place of answers", () => {
  assert.deepEqual(["text/html", "application/xhtml+xml", "text/plain"].map(isPage), [true, true, false]);
  for (const status of [302, 403, 451, 503]) assert.ok(isBlockPage(status, "text/html"));
  for (const status of [200, 400, 404, 414]) assert.ok(!isBlockPage(status, "text/html"));
  assert.ok(!isBlockPage(403, "application/json"));
});

Deno.test("ContentRule.isWrong() applies what is allowed to success and what is denied to all", () => {
  const rule = new ContentRule({ allow: ["application/json"], deny: ["text/html"] });
  const rows: Array<readonly [status: number, mediaType: string, wrong: boolean]> = [
    [200, "application/json", false],
    [200, "text/plain", true],
    [200, "", true],
    [206, "image/png", true],
    [300, "image/png", false],
    [404, "text/plain", false],
    [404, "text/html", true],
    [500, "", false],
  ];
  for (const [status, mediaType, wrong] of rows) {
    assert.equal(rule.isWrong(status, mediaType), wrong, `${status} ${mediaType}`);
  }
  assert.ok(!new ContentRule({ allow: [], deny: [] }).isWrong(200, "any/thing"));
});

Deno.test("hasContent() is false where a response has none by its status or length", () => {
  for (const status of [100, 204, 205, 304]) assert.ok(!hasContent(status, null));
  assert.ok(!hasContent(200, "0"));
  assert.ok(hasContent(200, null) && hasContent(404, "5"));
});
