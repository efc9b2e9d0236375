import { LeaseTable } from "../../../lib/cache/flights/lease_table.ts";

/** What the worker is told: its index, the shared memories, and what to race for. */
interface Race {
  readonly memory: SharedArrayBuffer;
  /** One cell a key: how many racers have come to it. */
  readonly gate: SharedArrayBuffer;
  readonly index: number;
  readonly racers: number;
  readonly keys: readonly string[];
}

/** The worker's side of `postMessage`. */
const parent = self as unknown as { postMessage(message: unknown): void };

/** Asks for every key at the same moment as the others, answers what it got, and keeps it. */
addEventListener("message", (event) => {
  const { memory, gate, index, racers, keys } = (event as MessageEvent<Race>).data;
  const table = new LeaseTable(memory, index);
  const arrived = new Int32Array(gate);
  parent.postMessage(keys.map((key, at) => {
    Atomics.add(arrived, at, 1);
    while (Atomics.load(arrived, at) < racers);
    const answer = table.acquire(key);
    return answer.kind === "taken" ? `taken by ${answer.owner}` : answer.kind;
  }));
});
