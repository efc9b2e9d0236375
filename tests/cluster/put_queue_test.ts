import assert from "node:assert/strict";
import { PutQueue, type PutTask } from "../../lib/cluster/_put_queue.ts";

/** Tasks that end when they are told to. */
class Tasks {
  readonly begun: string[] = [];
  readonly dropped: string[] = [];
  readonly #ends = new Map<string, () => void>();

  task(name: string, bytes = 1): PutTask {
    return {
      bytes,
      drop: () => void this.dropped.push(name),
      run: () => {
        this.begun.push(name);
        return new Promise((resolve) => this.#ends.set(name, resolve));
      },
    };
  }

  /** Ends one, and lets what follows it begin. */
  async end(name: string): Promise<void> {
    this.#ends.get(name)!();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
}

Deno.test("PutQueue makes a bounded number of puts at a time, in order, and drops those beyond its bounds", async () => {
  const tasks = new Tasks();
  const queue = new PutQueue({ clock: { now: () => 0 }, maxTasks: 4, maxBytes: 100, width: 2 });
  for (const name of ["a", "b", "c"]) queue.push(tasks.task(name));
  queue.push(tasks.task("large", 98));
  queue.push(tasks.task("d"));
  queue.push(tasks.task("e"));
  assert.deepEqual([tasks.begun, tasks.dropped, queue.size], [["a", "b"], ["large", "e"], 4]);
  await tasks.end("b");
  assert.deepEqual(tasks.begun, ["a", "b", "c"]);
  let isIdle = false;
  const idle = queue.idle().then(() => isIdle = true);
  for (const name of ["a", "c"]) await tasks.end(name);
  assert.ok(!isIdle);
  await tasks.end("d");
  await idle;
  queue.push(tasks.task("large", 98));
  assert.deepEqual(tasks.begun.at(-1), "large");
});

Deno.test("PutQueue drops what has waited for too long", async () => {
  const tasks = new Tasks();
  let nowMs = 0;
  const queue = new PutQueue({ clock: { now: () => nowMs }, width: 1, patienceMs: 100 });
  for (const name of ["a", "b", "c"]) queue.push(tasks.task(name));
  nowMs = 101;
  queue.push(tasks.task("d"));
  await tasks.end("a");
  assert.deepEqual([tasks.begun, tasks.dropped], [["a", "d"], ["b", "c"]]);
  await tasks.end("d");
  await queue.idle();
});
