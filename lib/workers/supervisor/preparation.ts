import type { ConfigGeneration, FromWorker } from "../messages.ts";
import type { WorkerHandle } from "./worker_handle.ts";

const TIMEOUT_MS = 60_000;

/** Has workers prepare a configuration; answers why one of them cannot take it, or `null`. */
export async function prepareIn(handles: readonly WorkerHandle[], next: ConfigGeneration): Promise<string | null> {
  const isPrepared = (told: FromWorker) => told.type === "prepared" && told.generation === next.generation;
  const prepared = await Promise.allSettled(
    handles.map((handle) => handle.call({ type: "prepare", ...next }, isPrepared, TIMEOUT_MS)),
  );
  return firstProblem(handles, prepared);
}

/** Has workers put away what they have prepared. */
export function putAway(handles: readonly WorkerHandle[], { generation }: ConfigGeneration): void {
  for (const handle of handles) handle.post({ type: "abort", generation });
}

/** Has a worker bring what it has prepared into force. */
export async function commitIn(handle: WorkerHandle, generation: number): Promise<void> {
  const isCommitted = (told: FromWorker) => told.type === "committed" && told.generation === generation;
  await handle.call({ type: "commit", generation }, isCommitted, TIMEOUT_MS);
}

/** Why a message was not done by all workers that it was sent to, as the first of them says; `null` where it was. */
function firstProblem(
  handles: readonly WorkerHandle[],
  answers: readonly PromiseSettledResult<FromWorker>[],
): string | null {
  for (const [index, answer] of answers.entries()) {
    // A worker that died meanwhile starts again with the configuration of that time.
    if (answer.status === "rejected" && handles[index]!.alive) return String(answer.reason.message ?? answer.reason);
    if (answer.status === "fulfilled" && answer.value.type === "prepared" && answer.value.error !== null) {
      return answer.value.error;
    }
  }
  return null;
}
