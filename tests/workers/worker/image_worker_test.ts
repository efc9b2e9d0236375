import assert from "node:assert/strict";
import type { Recipe } from "../../../lib/image/conversion.ts";
import { RemoteConverter } from "../../../lib/image/image_port.ts";
import type { Codec } from "../../../lib/image/sharp_codec.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { ImageWorker } from "../../../lib/workers/worker/image_worker.ts";
import { ANY_CONFIG, configOf, type Mapping } from "../../gateway/config_of.ts";

const recipe: Recipe = { format: "webp", quality: 1, effort: 0 };
const DONE = { kind: "done", body: Uint8Array.of(7) } as const;
/** What goes over a port is gone here. */
const done = () => ({ ...DONE, body: DONE.body.slice() });

/** An image worker, the converter of a serving worker that it was introduced to, and what it logged. */
async function workerWith(load: () => Promise<Codec>, images: Mapping = {}) {
  const lines: Record<string, unknown>[] = [];
  const sink = (line: string) => void lines.push(JSON.parse(line));
  const logger = createLogger({ level: "info", format: "json", sink, now: Date.now });
  const config = await configOf({ ...ANY_CONFIG, images });
  const worker = new ImageWorker({ generation: 1, config }, { logger, load, fail: () => {} });
  const channel = new MessageChannel();
  const converter = new RemoteConverter({ maxPending: 9, patienceMs: 60_000 });
  worker.peer(0, channel.port2);
  converter.connect(channel.port1);
  return {
    worker,
    converter,
    lines,
    convert: () => converter.convert(Uint8Array.of(1), recipe, "l"),
    async [Symbol.asyncDispose]() {
      converter.close();
      await worker.stop();
    },
  };
}

/** A codec whose conversions end when the test says so. */
function heldCodec() {
  const begun: (() => void)[] = [];
  const codec: Codec = { convert: () => new Promise((resolve) => begun.push(() => resolve(done()))) };
  return { codec, begun };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

Deno.test("ImageWorker converts for serving workers and says how its queue stands", async () => {
  const { codec, begun } = heldCodec();
  await using stage = await workerWith(() => Promise.resolve(codec), { concurrency: 1, queue: 1 });
  await turn();
  const first = stage.convert();
  await until(() => begun.length === 1);
  const second = stage.convert();
  assert.deepEqual(await stage.convert(), { kind: "refused", detail: "the queue is full" });
  assert.deepEqual(stage.worker.report().images, { running: 1, waiting: 1, overdue: 0, problem: null });
  begun[0]!();
  assert.deepEqual(await first, DONE);
  await until(() => begun.length === 2);
  begun[1]!();
  assert.deepEqual(await second, DONE);
  assert.deepEqual(stage.lines, []);
});

Deno.test("ImageWorker takes the bounds of a reload when it is committed, not before", async () => {
  const { codec, begun } = heldCodec();
  await using stage = await workerWith(() => Promise.resolve(codec), { concurrency: 1, queue: 5 });
  await turn();
  const all = [stage.convert(), stage.convert()];
  const config = await configOf({ ...ANY_CONFIG, images: { concurrency: 2 } });
  await until(() => stage.worker.report().images!.waiting === 1);
  stage.worker.prepare(2, config);
  assert.equal(stage.worker.report().generation, 1);
  stage.worker.abort();
  stage.worker.commit();
  assert.equal(stage.worker.report().generation, 1);
  stage.worker.prepare(2, config);
  stage.worker.commit();
  assert.equal(stage.worker.report().generation, 2);
  await until(() => begun.length === 2);
  for (const end of begun) end();
  assert.deepEqual(await Promise.all(all), [DONE, DONE]);
});

Deno.test("ImageWorker refuses while it starts, and says once why it cannot convert", async () => {
  const loading = Promise.withResolvers<Codec>();
  await using stage = await workerWith(() => loading.promise);
  assert.deepEqual(await stage.convert(), { kind: "refused", detail: "the image worker is still starting" });
  loading.reject(new Error("Could not load\nthe thing\nadvice"));
  await until(() => stage.lines.length > 0);
  const answers = [await stage.convert(), await stage.convert()];
  for (const { kind } of answers) assert.equal(kind, "unavailable");
  assert.equal(stage.lines.length, 1);
  assert.equal(stage.lines[0]!["message"], "Pictures cannot be converted: originals are served");
  assert.equal(typeof stage.worker.report().images!.problem, "string");
});

Deno.test("ImageWorker lets go of a serving worker that is gone", async () => {
  const { codec } = heldCodec();
  await using stage = await workerWith(() => Promise.resolve(codec));
  stage.worker.peerGone(0);
  stage.worker.purge();
  assert.equal((await stage.worker.prewarm()).outcome, "busy");
  assert.equal((await stage.worker.read()).outcome, "busy");
});
