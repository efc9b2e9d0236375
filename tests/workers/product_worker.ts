import type { FromWorker, ToWorker } from "../../lib/workers/messages.ts";
import { WorkerHandle } from "../../lib/workers/supervisor/worker_handle.ts";
import { type ScriptedHandler, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { initMessage } from "./messages.ts";

/** Long enough for any answer on a busy machine. */
export const PATIENCE_MS = 60_000;

/** The module that the product starts its workers from. */
export const MAIN = new URL("../../main.ts", import.meta.url);

/** A worker as the product starts it, not yet told what to be; stopped and ended with its scope. */
export function newWorker(name: "serving-0" | "health") {
  const died = Promise.withResolvers<string>();
  const handle = new WorkerHandle({ url: MAIN, name, onDeath: died.resolve });
  const ask = (message: ToWorker, type: FromWorker["type"]) =>
    handle.call(message, (answer) => answer.type === type, PATIENCE_MS);
  return {
    handle,
    died: died.promise,
    ask,
    async [Symbol.asyncDispose]() {
      if (handle.alive) await ask({ type: "stop", graceMs: 1_000 }, "stopped");
      handle.terminate();
    },
  };
}

/** One that is ready. */
export async function readyWorker(name: "serving-0" | "health", init: Parameters<typeof initMessage>[0]) {
  const worker = newWorker(name);
  await worker.ask(initMessage(init), "ready");
  return worker;
}

/** An origin that ends with its scope. */
export async function originWith(handler: ScriptedHandler) {
  const origin = await startScriptedOrigin(handler);
  return {
    url: origin.url,
    heads: origin.heads,
    handle: (next: ScriptedHandler) => origin.handle(next),
    [Symbol.asyncDispose]: () => origin.close(),
  };
}
