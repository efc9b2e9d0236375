import assert from "node:assert/strict";
import { BackgroundTasks } from "../../lib/request/services.ts";

Deno.test("BackgroundTasks counts what is under way, and is full at its limit", async () => {
  const tasks = new BackgroundTasks(2, () => {});
  const { promise, resolve } = Promise.withResolvers<void>();
  tasks.add(promise);
  assert.deepEqual([tasks.size, tasks.isFull], [1, false]);
  tasks.add(promise);
  assert.deepEqual([tasks.size, tasks.isFull], [2, true]);
  resolve();
  await tasks.drain(1_000);
  assert.equal(tasks.size, 0);
});

Deno.test("BackgroundTasks catches errors, each once, and lets go of the task", async () => {
  const errors: unknown[] = [];
  const tasks = new BackgroundTasks(2, (error) => errors.push(error));
  tasks.add(Promise.reject("first"));
  tasks.add(Promise.reject("second"));
  await tasks.drain(1_000);
  assert.deepEqual(errors, ["first", "second"]);
  assert.equal(tasks.size, 0);
});

Deno.test("BackgroundTasks.drain() waits for tasks that begin while it waits, and no longer than it may", async () => {
  const tasks = new BackgroundTasks(9, () => {});
  const { promise, resolve } = Promise.withResolvers<void>();
  tasks.add(new Promise<void>((done) => setTimeout(done, 5)).then(() => tasks.add(promise)));
  setTimeout(resolve, 20);
  await tasks.drain(5_000);
  assert.equal(tasks.size, 0);

  const endless = Promise.withResolvers<void>();
  tasks.add(endless.promise);
  await tasks.drain(10);
  assert.equal(tasks.size, 1);
  endless.resolve();
});
