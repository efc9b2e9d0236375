import assert from "node:assert/strict";
import { estimate, libraryOrder, pieces } from "../../../routes/commands/library_order.ts";

Deno.test("pieces() are no larger than an order may be", () => {
  assert.deepEqual(pieces([]), []);
  const short = Array.from({ length: 20_001 }, (_, n) => `/${n}`);
  assert.deepEqual(pieces(short).map((piece) => piece.length), [10_000, 10_000, 1]);
  assert.deepEqual(pieces(short).flat(), short);
  const long = Array.from({ length: 9_000 }, (_, n) => `/${n}`.padEnd(200, "x"));
  const parts = pieces(long);
  assert.deepEqual(parts.flat(), long);
  assert.ok(parts.every((part) => JSON.stringify(part).length < 1_000_000) && parts.length === 3, `${parts.length}`);
});

Deno.test("estimate() says requests, rate and time", () => {
  assert.equal(estimate(1, 10), "1 request, at most 10 a second: 1 s and more, less what is fresh");
  assert.match(estimate(6_000, 10), /^6000 requests, .*: 10 min/);
  assert.match(estimate(360_000, 10), /: 10\.0 h/);
});

Deno.test("libraryOrder() takes a list, and says which client or language it does not know", async () => {
  const ids = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(ids, "movie:550\ntv:1399\n");
    const order = await libraryOrder({ ids, client: ["seerr"], language: "de" });
    assert.deepEqual(order.said, ["2 titles: 1 film and 1 show"]);
    assert.equal(order.targets.length, 2);
    await assert.rejects(libraryOrder({ ids, client: ["jelyfin"] }), { message: /did you mean "jellyfin"/ });
    await assert.rejects(libraryOrder({ ids, language: "de&session_id=1" }), { message: /wants a code/ });
    await assert.rejects(libraryOrder({ ids: `${ids}.missing` }), Deno.errors.NotFound);
  } finally {
    await Deno.remove(ids);
  }
});
