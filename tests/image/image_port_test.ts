import assert from "node:assert/strict";
import type { Conversion, Recipe } from "../../lib/image/conversion.ts";
import type { Order } from "../../lib/image/conversion_queue.ts";
import { RemoteConverter, serveImages } from "../../lib/image/image_port.ts";
import { eventually } from "../pipeline/in_process_gateway.ts";

const recipe: Recipe = { format: "webp", quality: 1, effort: 0 };

/** A converter, and the other end of its port in the hands of `take`. */
async function withPort(take: (order: Order) => void, run: (converter: RemoteConverter) => Promise<void>) {
  const channel = new MessageChannel();
  const converter = new RemoteConverter({ maxPending: 2, patienceMs: 60_000 });
  serveImages(channel.port2, take);
  converter.connect(channel.port1);
  try {
    await run(converter);
  } finally {
    converter.close();
    channel.port2.close();
  }
}

Deno.test("RemoteConverter sends a copy of the body when its turn has come, and takes the result", () =>
  withPort(async ({ recipe, fetch, answer }) => {
    const body = (await fetch())!;
    answer({ kind: "done", body: Uint8Array.of(recipe.quality, ...body) });
  }, async (converter) => {
    const body = Uint8Array.of(9, 8, 7);
    const answers = await Promise.all([
      converter.convert(body, recipe, "l"),
      converter.convert(Uint8Array.of(6), recipe, "l"),
    ]);
    assert.deepEqual(answers, [
      { kind: "done", body: Uint8Array.of(1, 9, 8, 7) },
      { kind: "done", body: Uint8Array.of(1, 6) },
    ]);
    assert.deepEqual(body, Uint8Array.of(9, 8, 7));
  }));

Deno.test("RemoteConverter bounds what is under way", () => {
  const orders: Order[] = [];
  return withPort((order) => void orders.push(order), async (converter) => {
    const waiting = [
      converter.convert(Uint8Array.of(1), recipe, "l"),
      converter.convert(Uint8Array.of(2), recipe, "l"),
    ];
    assert.equal((await converter.convert(Uint8Array.of(3), recipe, "l")).kind, "refused");
    converter.close();
    assert.deepEqual((await Promise.all(waiting)).map(({ kind }) => kind), ["unavailable", "unavailable"]);
    assert.equal((await converter.convert(Uint8Array.of(4), recipe, "l")).kind, "unavailable");
  });
});

Deno.test("RemoteConverter blames those that were under way for the end of their worker, and not those that waited", () => {
  const orders: Order[] = [];
  return withPort((order) => void orders.push(order), async (converter) => {
    const answers = [1, 2].map((byte) => converter.convert(Uint8Array.of(byte), recipe, "l"));
    await eventually("the orders have arrived", () => orders.length === 2);
    await orders[1]!.fetch();
    converter.close();
    assert.deepEqual((await Promise.all(answers)).map(({ kind }) => kind), ["unavailable", "failed"]);
  });
});

Deno.test("RemoteConverter bounds the bytes that wait, but takes one body of any size", () => {
  const orders: Order[] = [];
  return withPort((order) => void orders.push(order), async (converter) => {
    const large = new Uint8Array(64 * 1024 ** 2 + 1);
    const first = converter.convert(large, recipe, "l");
    assert.equal((await converter.convert(Uint8Array.of(1), recipe, "l")).kind, "refused");
    await eventually("the order has arrived", () => orders.length === 1);
    orders[0]!.answer({ kind: "unsuitable", detail: "large" });
    assert.equal((await first).kind, "unsuitable");
    const second = converter.convert(Uint8Array.of(1), recipe, "l");
    await eventually("there is room again", () => orders.length === 2);
    orders[1]!.answer({ kind: "unsuitable", detail: "small" });
    assert.equal((await second).kind, "unsuitable");
  });
});

Deno.test("RemoteConverter does not ask again at once whom it heard cannot convert, until another takes over", () => {
  let asked = 0;
  const unavailable: Conversion = { kind: "unavailable", detail: "no sharp" };
  return withPort(({ answer }) => (asked++, answer(unavailable)), async (converter) => {
    assert.deepEqual(await converter.convert(Uint8Array.of(1), recipe, "l"), unavailable);
    assert.equal((await converter.convert(Uint8Array.of(1), recipe, "l")).kind, "unavailable");
    assert.equal(asked, 1);
    const next = new MessageChannel();
    serveImages(next.port2, ({ answer }) => answer({ kind: "refused", detail: "full" }));
    converter.connect(next.port1);
    assert.equal((await converter.convert(Uint8Array.of(1), recipe, "l")).kind, "refused");
    next.port2.close();
  });
});

Deno.test("RemoteConverter gives up on a worker that is never heard of again", async () => {
  const channel = new MessageChannel();
  const converter = new RemoteConverter({ maxPending: 2, patienceMs: 1 });
  converter.connect(channel.port1);
  assert.deepEqual(await converter.convert(Uint8Array.of(1), recipe, "l"), {
    kind: "failed",
    detail: "no answer came",
  });
  converter.close();
  channel.port2.close();
});

Deno.test("serveImages() is told null where whoever asked does not wait any more", async () => {
  const fetched = Promise.withResolvers<Uint8Array | null>();
  const turn = Promise.withResolvers<void>();
  const channel = new MessageChannel();
  serveImages(channel.port2, async ({ fetch }) => {
    await turn.promise;
    fetched.resolve(await fetch());
  });
  const converter = new RemoteConverter({ maxPending: 2, patienceMs: 1 });
  converter.connect(channel.port1);
  assert.equal((await converter.convert(Uint8Array.of(1), recipe, "l")).kind, "failed");
  turn.resolve();
  assert.equal(await fetched.promise, null);
  converter.close();
  channel.port2.close();
});
