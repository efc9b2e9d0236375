import assert from "node:assert/strict";
import type { FromWorker, ToWorker } from "../../../lib/workers/messages.ts";
import { WorkerHandle } from "../../../lib/workers/supervisor/worker_handle.ts";
import { ANY_CONFIG, configOf } from "../../gateway/config_of.ts";
import { initMessage } from "../messages.ts";
import type { Part } from "../part.ts";
import { setStage } from "../stage.ts";

const PATIENCE_MS = 60_000;
const RULE = { id: "rule", scope: { kind: "all", listener: null }, soft: false, timeMs: 1 } as const;

/** A real worker over the runtime, in a role that plays these parts, and all that it says. */
async function started(...parts: Part[]) {
  const stage = await setStage({ "serving-0": parts });
  const config = await configOf({ ...ANY_CONFIG, server: { data_dir: stage.directory } });
  const said: FromWorker[] = [];
  const died = Promise.withResolvers<string>();
  const handle = new WorkerHandle({ url: stage.url, name: "serving-0", onDeath: died.resolve });
  const ask = (message: ToWorker, type: FromWorker["type"]) =>
    handle.call(message, (it) => it.type === type, PATIENCE_MS);
  // It sees everything and takes nothing.
  handle.call(initMessage({ generation: 1, config }), (message) => (said.push(message), false), PATIENCE_MS).catch(
    () => {},
  );
  return {
    handle,
    config,
    said,
    died: died.promise,
    ask,
    seen: async () => (await handle.ping(PATIENCE_MS))!.connections,
    direct: (...next: Part[]) => stage.direct({ "serving-0": next }),
    async [Symbol.asyncDispose]() {
      handle.terminate();
      await stage[Symbol.asyncDispose]();
    },
  };
}

Deno.test("runWorker() says hello, then that its role is ready, and answers each message", async () => {
  await using worker = await started();
  await worker.ask({ type: "prepare", generation: 2, config: worker.config }, "prepared");
  await worker.ask({ type: "commit", generation: 2 }, "committed");
  await worker.ask({ type: "purge", id: 5, rules: [RULE], counts: false }, "purged");
  const report = await worker.handle.ping(PATIENCE_MS);
  assert.equal(report!.generation, 2);
  const { counts } = report!;
  await worker.ask({ type: "stop", graceMs: 7 }, "stopped");
  assert.deepEqual(worker.said.filter(({ type }) => type !== "pong"), [
    { type: "hello" },
    { type: "ready" },
    { type: "prepared", generation: 2, error: null },
    { type: "committed", generation: 2 },
    { type: "purged", id: 5, named: null },
    // The role's counters stand still: what was under way is cut off.
    { type: "stopped", drained: { finished: 0, cut: 1, sinceStart: 10 }, counts },
  ]);
  assert.deepEqual(await worker.seen(), { "purged rule": 1, "stopped 7": 1 });
});

Deno.test("runWorker() says why its role cannot be opened", async () => {
  await using worker = await started("fails");
  assert.equal(await worker.died, "serving-0 cannot begin");
});

Deno.test("runWorker() does what comes while the role opens afterwards, so that no purge is missed", async () => {
  await using worker = await started("slow");
  worker.handle.post({ type: "commit", generation: 1 });
  await worker.ask({ type: "purge", id: 1, rules: [RULE], counts: false }, "purged");
  assert.deepEqual(worker.said.map(({ type }) => type), ["hello", "ready", "committed", "purged"]);
  assert.deepEqual(await worker.seen(), { "purged rule": 1 });
});

Deno.test("runWorker() answers why a configuration cannot be used, and goes on with the one before", async () => {
  await using worker = await started("refuses");
  const answer = await worker.ask({ type: "prepare", generation: 2, config: worker.config }, "prepared");
  const error = `serving-0 cannot use "${worker.config.server.name}"`;
  assert.deepEqual(answer, { type: "prepared", generation: 2, error });
  worker.handle.post({ type: "abort", generation: 2 });
  const report = await worker.handle.ping(PATIENCE_MS);
  assert.deepEqual([report!.generation, report!.connections], [1, { aborted: 1 }]);
  worker.direct();
  await worker.ask({ type: "prepare", generation: 3, config: worker.config }, "prepared");
  await worker.ask({ type: "commit", generation: 3 }, "committed");
  assert.equal((await worker.handle.ping(PATIENCE_MS))!.generation, 3);
});

Deno.test("runWorker() hands a peer's port to the role, and tells it when the peer has died; one without a port is nobody", async () => {
  await using worker = await started();
  const { port1, port2 } = new MessageChannel();
  const heard = new Promise((resolve) => port2.onmessage = ({ data }) => resolve(data));
  worker.handle.post({ type: "peer", peer: 3 }, [port1]);
  worker.handle.post({ type: "peer", peer: 4 });
  assert.equal(await heard, "serving-0");
  assert.deepEqual(await worker.seen(), { "met 3": 1 });
  worker.handle.post({ type: "peer-gone", peer: 3 });
  assert.deepEqual(await worker.seen(), { "met 3": 1, "lost 3": 1 });
  port2.close();
});

Deno.test("runWorker() outlives a promise that nobody took, but not an error outside of any", async () => {
  await using worker = await started("rejects");
  assert.deepEqual(await worker.seen(), {});
  assert.equal(worker.handle.alive, true);
  worker.handle.post({ type: "fault", fault: "throw" });
  assert.match(await worker.died, /A test asked for this error/);
});
