import { DiskFilter } from "../../../lib/cache/disk/disk_filter.ts";
import { digestOfKey } from "../../../lib/cache/disk/_kv_rows.ts";
import { seededRandom } from "../../seeded_random.ts";

/** What the worker is told. */
interface Task {
  readonly memory: SharedArrayBuffer;
  /**
   * The disk: one cell a key, odd while it is committed, changed by its owner alone; behind them a cell that ends the work, and one a
   * worker that counts what it has asked.
   */
  readonly disk: SharedArrayBuffer;
  readonly keys: number;
  readonly workers: number;
  readonly index: number;
}

/** The worker's side of `postMessage`. */
const parent = self as unknown as { postMessage(message: unknown): void };

/** Writes and removes its own keys and asks for anyone's, until it is told to end; answers the keys that were falsely denied. */
addEventListener("message", (event) => {
  const { memory, disk, keys, workers, index } = (event as MessageEvent<Task>).data;
  const filter = new DiskFilter(memory, index);
  const cells = new Int32Array(disk);
  const random = seededRandom(index + 1);
  const denied: number[] = [];
  const own = () => Math.floor(random() * keys / workers) * workers + index;
  while (Atomics.load(cells, keys) === 0) {
    const written = new Set([own(), own()]);
    filter.beginWrite([...written].map((key) => `key ${key}`).map(digestOfKey));
    for (const key of written) if (Atomics.load(cells, key) % 2 === 0) Atomics.add(cells, key, 1);
    filter.endWrite();
    const removed = own();
    if (Atomics.load(cells, removed) % 2 !== 0) Atomics.add(cells, removed, 1);
    for (let ask = 0; ask < 20; ask++) {
      const key = Math.floor(random() * keys);
      const before = Atomics.load(cells, key);
      const isHeld = filter.mayHold(`key ${key}`);
      if (!isHeld && before % 2 !== 0 && Atomics.load(cells, key) === before) denied.push(key);
      Atomics.add(cells, keys + 1 + index, 1);
    }
  }
  parent.postMessage(denied);
});
