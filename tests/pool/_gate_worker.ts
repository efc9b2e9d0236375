import { SharedGate } from "../../lib/pool/shared_gate.ts";

/** What the worker is told: its cells and limits, and until when to ask for as much as it can. */
interface Task {
  readonly cells: Int32Array;
  readonly worker: number;
  readonly workers: number;
  readonly maxPerSecond: number | null;
  readonly maxInFlight: number | null;
  readonly untilMs: number;
}

/** The worker's side of `postMessage`. */
const parent = self as unknown as { postMessage(message: unknown): void };

addEventListener("message", async (event) => {
  const { cells, worker, workers, maxPerSecond, maxInFlight, untilMs } = (event as MessageEvent<Task>).data;
  const gate = new SharedGate(cells, { maxPerSecond, maxInFlight }, { worker, workers });
  let entered = 0;
  let most = 0;
  let running = 0;
  for (let turn = 0; Date.now() < untilMs; turn++) {
    if (gate.hasRoom(Date.now())) {
      gate.enter(Date.now());
      entered++;
      running++;
      most = Math.max(most, gate.inFlight);
    }
    if (running > 0 && turn % 3 === 0) {
      gate.leave();
      running--;
    }
    if (turn % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (; running > 0; running--) gate.leave();
  parent.postMessage({ entered, most });
});

parent.postMessage("ready");
