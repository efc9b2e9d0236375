/// <reference lib="deno.worker" />
import { inputOf, toldFailure } from "./fuzz_target.ts";
import type { FuzzOrder, FuzzReport } from "./run.ts";
import { FUZZ_TARGETS } from "./targets.ts";

/** Inputs that a target gets before the next one has its turn. */
const BATCH = 50;

self.onmessage = async ({ data }: MessageEvent<FuzzOrder>) => self.postMessage(await fuzz(data));

async function fuzz({ names, seed, untilMs, shared }: FuzzOrder): Promise<FuzzReport> {
  const targets = FUZZ_TARGETS.filter(({ name }) => names.includes(name));
  const tried = Object.fromEntries(targets.map(({ name }) => [name, 0]));
  const [length, turns] = [new Int32Array(shared, 0, 1), new Int32Array(shared, 4, 1)];
  const characters = new Uint16Array(shared, 8);
  for (let from = 0; Date.now() < untilMs; from += BATCH) {
    for (const target of targets) {
      for (let turn = from; turn < from + BATCH && Date.now() < untilMs; turn++) {
        const { text, random } = inputOf(target, seed, turn);
        for (let at = 0; at < text.length; at++) characters[at] = text.charCodeAt(at);
        Atomics.store(length, 0, text.length);
        Atomics.add(turns, 0, 1);
        try {
          await target.check(text, random);
        } catch (error) {
          const { message, cause } = toldFailure(target, text, error);
          return { tried, failure: `${message}\n${cause instanceof Error ? cause.stack : cause}` };
        }
        tried[target.name]!++;
      }
    }
  }
  return { tried, failure: null };
}
