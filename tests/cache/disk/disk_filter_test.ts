import assert from "node:assert/strict";
import { DiskFilter, DiskFilterBuilder, newDiskFilterMemory } from "../../../lib/cache/disk/disk_filter.ts";
import { digestOfKey, hashOfKey } from "../../../lib/cache/disk/_kv_rows.ts";
import { seededRandom } from "../../seeded_random.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Goes through a build; `read` adds what is on disk. */
function build(memory: SharedArrayBuffer, read: (builder: DiskFilterBuilder) => void = () => {}): DiskFilterBuilder {
  const builder = new DiskFilterBuilder(memory);
  builder.begin();
  while (builder.clear());
  assert.ok(builder.isSettled());
  read(builder);
  assert.ok(builder.serve());
  return builder;
}

function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("newDiskFilterMemory() takes twelve bits a half for each 2 KiB of disk, from 1 to 64 MiB in all", () => {
  const bytes = (limitBytes: number) => newDiskFilterMemory(limitBytes).byteLength;
  assert.equal(bytes(1), MIB + 4096);
  assert.equal(bytes(10 * GIB), 2 * (10 * GIB / 2048 * 12 / 8) + 4096);
  assert.equal(bytes(10_000 * GIB), 64 * MIB + 4096);
  for (const odd of [GIB + 1, 5 * GIB - 7]) assert.equal((bytes(odd) - 4096) % 64, 0, "whole blocks in each half");
});

Deno.test("DiskFilter answers maybe for every key until a build is complete, and then no for what it was not told of", () => {
  const memory = newDiskFilterMemory(GIB);
  const [one, other] = [new DiskFilter(memory, 0), new DiskFilter(memory, 1)];
  assert.ok(one.mayHold("api\0\0/never"));
  one.beginWrite(["api\0\0/early"].map(digestOfKey));
  one.endWrite();
  const builder = new DiskFilterBuilder(memory);
  builder.begin();
  while (builder.clear());
  assert.ok(builder.isSettled());
  assert.ok(other.mayHold("api\0\0/never"));
  builder.add(hashOfKey("api\0\0/from before"));
  other.beginWrite(["api\0\0/meanwhile"].map(digestOfKey));
  other.endWrite();
  assert.ok(!builder.isServing);
  assert.ok(builder.serve() && builder.isServing);
  for (const filter of [one, other]) {
    for (const key of ["early", "from before", "meanwhile"]) assert.ok(filter.mayHold(`api\0\0/${key}`), key);
    assert.ok(!filter.mayHold("api\0\0/never"));
  }
});

Deno.test("DiskFilter takes text of every kind for a key", () => {
  const memory = newDiskFilterMemory(GIB);
  const filter = new DiskFilter(memory, 0);
  const keys = ["", "a\0\0/x", "a\0\0/x\0accept-language:de~br", "ü€😀", "\ud800", "x".repeat(20_000)];
  build(memory, (builder) => keys.slice(0, 3).forEach((key) => builder.add(hashOfKey(key))));
  for (const key of keys.slice(3)) assert.ok(!filter.mayHold(key));
  filter.beginWrite((keys.slice(3)).map(digestOfKey));
  for (const key of keys) assert.ok(filter.mayHold(key));
});

Deno.test("a new half holds what is on disk and no more, and what was marked while it was filled", () => {
  const memory = newDiskFilterMemory(GIB);
  const filter = new DiskFilter(memory, 0);
  build(memory, (builder) => ["a", "b"].forEach((key) => builder.add(hashOfKey(key))));
  for (let round = 0; round < 4; round++) {
    const builder = build(memory, (builder) => {
      builder.add(hashOfKey(`stays ${round}`));
      assert.ok(filter.mayHold(round === 0 ? "b" : `stays ${round - 1}`), "the half before serves on");
      filter.beginWrite([`comes ${round}`].map(digestOfKey));
      filter.endWrite();
      assert.ok(filter.mayHold(`comes ${round}`));
    });
    for (const key of [`stays ${round}`, `comes ${round}`]) assert.ok(filter.mayHold(key), key);
    for (const gone of ["a", "b", `stays ${round - 1}`, `comes ${round - 1}`]) assert.ok(!filter.mayHold(gone), gone);
    assert.ok(Math.abs(builder.falseRateNow - builder.falseRate(2)) < 1e-12, "two keys are counted");
  }
});

Deno.test("isSettled() waits for the writes that were under way at the clearing, and for no later ones", () => {
  const memory = newDiskFilterMemory(1);
  const [one, other] = [new DiskFilter(memory, 0), new DiskFilter(memory, 510)];
  one.beginWrite(["a"].map(digestOfKey));
  const builder = new DiskFilterBuilder(memory);
  builder.begin();
  while (builder.clear());
  assert.ok(!builder.isSettled());
  other.beginWrite(["b"].map(digestOfKey));
  assert.ok(!builder.isSettled());
  one.endWrite();
  one.beginWrite(["c"].map(digestOfKey));
  assert.ok(builder.isSettled());
  other.endWrite();
  assert.throws(() => new DiskFilter(memory, 1008), /worker index 1008/);
  assert.throws(() => new DiskFilter(memory, -1), RangeError);
});

Deno.test("isSettled() gives what a dead worker was writing the time to come down", async () => {
  const memory = newDiskFilterMemory(1);
  new DiskFilter(memory, 0).beginWrite(["a"].map(digestOfKey));
  const builder = new DiskFilterBuilder(memory);
  builder.begin();
  while (builder.clear());
  await macrotask();
  assert.ok(!builder.isSettled(), "nobody has taken its place");
  const again = new DiskFilter(memory, 0, 0);
  again.beginWrite(["b"].map(digestOfKey));
  again.endWrite();
  assert.ok(!builder.isSettled(), "its own writes end nothing");
  await macrotask();
  assert.ok(builder.isSettled());
});

Deno.test("serve() is refused where another build was begun since", () => {
  const memory = newDiskFilterMemory(1);
  const [first, second] = [new DiskFilterBuilder(memory), new DiskFilterBuilder(memory)];
  assert.ok(!first.hasBegun);
  first.begin();
  assert.ok(second.hasBegun);
  second.begin();
  assert.ok(!first.serve());
  assert.ok(!second.isServing);
  assert.ok(second.serve());
});

Deno.test("the part of keys that are falsely taken for maybe is what falseRate() says, below 6 in 1,000 on a full disk", () => {
  const limitBytes = 683 * MIB;
  const memory = newDiskFilterMemory(limitBytes);
  assert.ok(memory.byteLength > MIB + 4096, "sized by the limit");
  const full = Math.floor(limitBytes / 2048);
  const filter = new DiskFilter(memory, 0);
  const builder = build(memory);
  assert.ok(builder.falseRate(full) < 0.006, `${builder.falseRate(full)} when full`);
  assert.equal(builder.falseRate(0), 0);
  assert.ok(builder.falseRate(full * 100) > 0.999);
  let marked = 0;
  const probes = 30_000;
  for (const keys of [full / 2, full, full * 1.6].map(Math.floor)) {
    const added: string[] = [];
    for (; marked < keys; marked++) added.push(`api\0\0/3/movie/${marked}`);
    filter.beginWrite(added.map(digestOfKey));
    filter.endWrite();
    const expected = builder.falseRate(keys);
    // Keys that changed nothing were not counted.
    assert.ok(Math.abs(builder.falseRateNow / expected - 1) < 0.05, `${builder.falseRateNow} beside ${expected}`);
    let wrong = 0;
    for (let probe = 0; probe < probes; probe++) if (filter.mayHold(`api\0\0/3/tv/${probe}`)) wrong++;
    const deviation = Math.sqrt(probes * expected * (1 - expected));
    const distance = Math.abs(wrong - probes * expected);
    assert.ok(distance <= 5 * deviation + 2, `${wrong} of ${probes} with ${keys} keys, not ${probes * expected}`);
  }
});

interface Writer {
  filter: DiskFilter;
  /** What is still to be committed; `null` where it writes nothing. */
  writing: string[] | null;
}

/** What happens to a disk and its filter, in an order that chance gives: no committed key may ever be denied. */
class Interleaving {
  readonly #random: () => number;
  readonly #memory = newDiskFilterMemory(2 * GIB);
  readonly #workers: Writer[] = [];
  /** Committed keys, and where in the order of reading each lies. */
  readonly #disk = new Map<string, number>();
  #position = 0;
  #builder: DiskFilterBuilder;
  #phase: "idle" | "clearing" | "settling" | "reading" = "idle";
  #cursor = 0;
  swaps = 0;
  asked = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    for (let index = 0; index < 3; index++) {
      this.#workers.push({ filter: new DiskFilter(this.#memory, index), writing: null });
    }
    this.#builder = new DiskFilterBuilder(this.#memory);
  }

  async step(): Promise<void> {
    const chance = this.#random();
    const worker = this.#pick(this.#workers);
    if (chance < 0.3) this.#write(worker);
    else if (chance < 0.45) this.#commit(worker);
    else if (chance < 0.6) this.#end(worker);
    else if (chance < 0.61) await this.#die(worker);
    else if (chance < 0.7) this.#remove();
    else if (chance < 0.75) this.#touch();
    else if (chance < 0.752) this.#replaceBuilder();
    else this.#buildOn();
    this.#ask(4);
  }

  #pick<Value>(values: readonly Value[]): Value {
    return values[Math.floor(this.#random() * values.length)]!;
  }

  #write(worker: Writer): void {
    if (worker.writing !== null) return;
    worker.writing = Array.from({ length: 1 + this.#random() * 3 }, () => `key ${Math.floor(this.#random() * 400)}`);
    worker.filter.beginWrite(worker.writing.map(digestOfKey));
  }

  #commit(worker: Writer): void {
    const key = worker.writing?.pop();
    if (key !== undefined) this.#disk.set(key, ++this.#position);
  }

  #end(worker: Writer): void {
    if (worker.writing === null) return;
    worker.writing = null;
    worker.filter.endWrite();
  }

  /** What it was writing may come down for as long as the one after it waits. */
  async #die(worker: Writer): Promise<void> {
    const dead = { ...worker };
    worker.filter = new DiskFilter(this.#memory, this.#workers.indexOf(worker), 0);
    worker.writing = null;
    for (let steps = this.#random() * 20; steps > 0; steps--) {
      const chance = this.#random();
      if (chance < 0.2) this.#commit(dead);
      else if (chance < 0.4) this.#end(worker);
      else if (chance < 0.6) this.#write(worker);
      else this.#buildOn();
      this.#ask(4);
    }
    await macrotask();
  }

  #remove(): void {
    const key = this.#pick([...this.#disk.keys()]);
    if (key !== undefined) this.#disk.delete(key);
  }

  #touch(): void {
    const key = this.#pick([...this.#disk.keys()]);
    if (key !== undefined) this.#disk.set(key, ++this.#position);
  }

  #replaceBuilder(): void {
    const before = this.#builder;
    this.#builder = new DiskFilterBuilder(this.#memory);
    this.#builder.begin();
    if (this.#phase !== "idle") assert.ok(!before.serve());
    this.#phase = "clearing";
  }

  #buildOn(): void {
    const builder = this.#builder;
    if (this.#phase === "idle") {
      builder.begin();
      this.#phase = "clearing";
    } else if (this.#phase === "clearing") {
      if (!builder.clear()) this.#phase = "settling";
    } else if (this.#phase === "settling") {
      if (builder.isSettled()) this.#phase = "reading";
      this.#cursor = 0;
    } else {
      this.#readOn();
    }
  }

  #readOn(): void {
    const ahead = [...this.#disk].filter(([, at]) => at > this.#cursor).sort(([, a], [, b]) => a - b);
    for (const [key, at] of ahead.slice(0, 40)) {
      this.#builder.add(hashOfKey(key));
      this.#cursor = at;
    }
    if (ahead.length > 40) return;
    assert.ok(this.#builder.serve());
    this.#phase = "idle";
    this.swaps++;
    this.#ask(Infinity);
  }

  /** So many committed keys, of every worker. */
  #ask(count: number): void {
    const committed = [...this.#disk.keys()];
    const asked = count < committed.length ? Array.from({ length: count }, () => this.#pick(committed)) : committed;
    for (const key of asked) {
      for (const { filter } of this.#workers) assert.ok(filter.mayHold(key), `${key} is on disk`);
      this.asked++;
    }
  }
}

Deno.test("DiskFilter denies no key that is on disk, in any order of writes, removals, deaths and builds", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const interleaving = new Interleaving(seed);
    try {
      for (let step = 0; step < 4_000; step++) await interleaving.step();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    assert.ok(interleaving.swaps > 50, `${interleaving.swaps} swaps`);
    assert.ok(interleaving.asked > 10_000);
  }
});

Deno.test("DiskFilter denies no key that is on disk to workers that write and ask while it is built", async () => {
  const [keys, count] = [600, 2];
  const memory = newDiskFilterMemory(1);
  const disk = new SharedArrayBuffer((keys + 1 + count) * 4);
  const cells = new Int32Array(disk);
  const workers = Array.from(
    { length: count },
    () => new Worker(new URL("./_filter_worker.ts", import.meta.url), { type: "module" }),
  );
  try {
    const ends = workers.map((worker, index) =>
      new Promise<number[]>((resolve, reject) => {
        worker.onmessage = (event) => resolve(event.data);
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage({ memory, disk, keys, workers: count, index });
      })
    );
    const failed = Promise.race(ends).then(() => assert.fail("a worker has ended early"));
    const hashes = Array.from({ length: keys }, (_, key) => hashOfKey(`key ${key}`));
    const builder = new DiskFilterBuilder(memory);
    const hasAsked = () => workers.every((_, index) => Atomics.load(cells, keys + 1 + index) > 20_000);
    for (let builds = 0; builds < 40 || !hasAsked(); builds++) {
      builder.begin();
      while (builder.clear());
      while (!builder.isSettled()) await Promise.race([macrotask(), failed]);
      for (const [key, hash] of hashes.entries()) if (Atomics.load(cells, key) % 2 !== 0) builder.add(hash);
      assert.ok(builder.serve());
      await Promise.race([macrotask(), failed]);
    }
    failed.catch(() => {});
    Atomics.store(cells, keys, 1);
    assert.deepEqual(await Promise.all(ends), workers.map(() => []));
  } finally {
    for (const worker of workers) worker.terminate();
  }
});
