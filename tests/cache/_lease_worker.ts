import { LeaseTable } from "../../lib/cache/lease_table.ts";

/** Races for every key of a list as soon as all racers have come, and answers which it got. Keeps what it got. */
self.onmessage = (
  event: MessageEvent<
    { memory: SharedArrayBuffer; gate: SharedArrayBuffer; index: number; racers: number; keys: string[] }
  >,
) => {
  const { memory, gate, index, racers, keys } = event.data;
  const table = new LeaseTable(memory, index);
  const arrived = new Int32Array(gate);
  const kinds = keys.map((key, at) => {
    Atomics.add(arrived, at, 1);
    while (Atomics.load(arrived, at) < racers);
    const answer = table.acquire(key);
    return answer.kind === "taken" ? `taken by ${answer.owner}` : answer.kind;
  });
  self.postMessage(kinds);
};
