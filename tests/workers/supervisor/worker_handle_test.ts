import assert from "node:assert/strict";
import { WorkerHandle } from "../../../lib/workers/supervisor/worker_handle.ts";
import type { FromWorker } from "../../../lib/workers/messages.ts";
import { ANY_CONFIG, configOf } from "../../gateway/config_of.ts";
import { eventually } from "../../eventually.ts";
import { initMessage } from "../messages.ts";

/** Long enough for any answer on a busy machine. */
const PATIENCE_MS = 60_000;
const config = await configOf(ANY_CONFIG);
const isReady = (message: FromWorker) => message.type === "ready";

/** A real worker that plays a part of `fixtures/raw_worker.ts`, and the deaths that are reported of it. */
function started(part: string) {
  const url = new URL("../fixtures/raw_worker.ts", import.meta.url);
  const died = Promise.withResolvers<string>();
  const deaths: string[] = [];
  const onDeath = (reason: string) => {
    deaths.push(reason);
    died.resolve(reason);
  };
  const handle = new WorkerHandle({ url, name: part, onDeath });
  return { handle, deaths, died: died.promise, [Symbol.dispose]: () => handle.terminate() };
}

const init = initMessage({ generation: 1, config });

Deno.test("call() brings a worker a message and answers what it says to it", async () => {
  using worker = started("well");
  assert.equal(worker.handle.alive, true);
  assert.equal(worker.handle.name, "well");
  assert.deepEqual(await worker.handle.call(init, isReady, PATIENCE_MS), { type: "ready" });
  const isThird = (message: FromWorker) => message.type === "prepared" && message.generation === 3;
  const [third] = await Promise.all([
    worker.handle.call({ type: "prepare", generation: 3, config }, isThird, PATIENCE_MS),
    worker.handle.call({ type: "prepare", generation: 2, config }, (message) => !isThird(message), PATIENCE_MS),
  ]);
  assert.deepEqual(third, { type: "prepared", generation: 3, error: null });
  assert.deepEqual(worker.deaths, []);
});

Deno.test("post() keeps what comes before the worker listens, in order and with its ports", async () => {
  using worker = started("slow-to-listen");
  const { port1, port2 } = new MessageChannel();
  worker.handle.post({ type: "peer", peer: 0 }, [port1]);
  worker.handle.post({ type: "commit", generation: 1 });
  await worker.handle.call(init, isReady, PATIENCE_MS);
  const report = await worker.handle.ping(PATIENCE_MS);
  assert.deepEqual(Object.entries(report!.connections), [["peer+1", 1], ["commit", 1], ["init", 1], ["ping", 1]]);
  port2.close();
});

Deno.test("call() gives up on a worker that does not answer, and says on what and when", async () => {
  using worker = started("silent");
  await assert.rejects(worker.handle.call(init, isReady, 30), {
    message: 'Worker "silent" did not answer "init" within 30 ms',
  });
  assert.equal(worker.handle.alive, true, "silence is the supervisor's to judge");
});

Deno.test("ping() answers the last known report where none comes in time", async () => {
  using worker = started("silent");
  assert.equal(await worker.handle.ping(30), null);
  using other = started("well");
  const report = await other.handle.ping(PATIENCE_MS);
  assert.equal(report!.generation, 1);
  assert.equal(other.handle.report, report);
  other.handle.terminate();
  assert.equal(await other.handle.ping(PATIENCE_MS), report);
});

Deno.test("unansweredBeats counts heartbeats since the last sign of life", async () => {
  using silent = started("silent");
  await eventually("it listens", () => silent.handle.unansweredBeats === 0);
  await silent.handle.call(init, (message) => message.type === "hello", PATIENCE_MS);
  for (let beat = 1; beat <= 3; beat++) {
    silent.handle.beat(20);
    assert.equal(silent.handle.unansweredBeats, beat);
  }
  using well = started("well");
  well.handle.beat(PATIENCE_MS);
  assert.equal(well.handle.unansweredBeats, 1);
  await eventually("it answers", () => well.handle.report !== null);
  assert.equal(well.handle.unansweredBeats, 0);
});

for (
  const [part, asked, reason] of [
    ["throws-at-load", init, /Broken at load/],
    ["throws-later", { type: "commit", generation: 1 }, /Broken later/],
    ["fails", init, /^Cannot begin$/],
  ] as const
) {
  Deno.test(`a worker that ${part} is dead once, and nobody waits for it any longer`, async () => {
    using worker = started(part);
    const waiting = worker.handle.call(asked, () => false, PATIENCE_MS);
    await assert.rejects(waiting, (error: Error) => {
      const beginning = `Worker "${part}" has stopped: `;
      return error.message.startsWith(beginning) && reason.test(error.message.slice(beginning.length));
    });
    assert.match(await worker.died, reason);
    assert.equal(worker.handle.alive, false);
    await assert.rejects(worker.handle.call(init, isReady, PATIENCE_MS), {
      message: `Worker "${part}" has stopped`,
    });
    worker.handle.post(init);
    worker.handle.kill("again");
    assert.equal(worker.deaths.length, 1);
  });
}

Deno.test("a worker whose module does not exist is dead", async () => {
  const died = Promise.withResolvers<string>();
  const url = new URL("file:///no/such/worker.ts");
  const handle = new WorkerHandle({ url, name: "serving-0", onDeath: died.resolve });
  assert.match(await died.promise, /no\/such\/worker|not found|checking failed/i);
  assert.equal(handle.alive, false);
});

Deno.test("kill() reports a death, terminate() does not; both end what waits", async () => {
  using killed = started("silent");
  const waiting = killed.handle.call(init, isReady, PATIENCE_MS);
  killed.handle.kill("silent for 9 ms");
  await assert.rejects(waiting, { message: 'Worker "silent" has stopped: silent for 9 ms' });
  assert.deepEqual(killed.deaths, ["silent for 9 ms"]);
  using ended = started("silent");
  const other = ended.handle.call(init, isReady, PATIENCE_MS);
  ended.handle.terminate();
  await assert.rejects(other, /has stopped: terminated/);
  assert.deepEqual(ended.deaths, []);
  assert.equal(ended.handle.alive, false);
});
