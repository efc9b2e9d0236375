import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import { TryTiming } from "../../lib/forward/try_timing.ts";
import { Upstream } from "../../lib/pool/upstream.ts";
import type { BodySource } from "../../lib/wire/body_source.ts";

/** Content whose every read a test settles. */
class HeldBody implements BodySource {
  readonly lengthBytes = null;
  readonly trailers = [["x-sum", "1"]] as [string, string][];
  isCancelled = false;
  #give: ((chunk: Uint8Array | null) => void) | null = null;
  #fail: ((error: unknown) => void) | null = null;

  read(): Promise<Uint8Array | null> {
    return new Promise((resolve, reject) => [this.#give, this.#fail] = [resolve, reject]);
  }

  give(chunk: Uint8Array | null): void {
    this.#give!(chunk);
  }

  fail(error: unknown): void {
    this.#fail!(error);
  }

  cancel(): void {
    this.isCancelled = true;
  }
}

const upstream = () => new Upstream({ id: "u", url: "http://u.example", weight: 1 });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("TryTiming waits for an upstream's answer from the start where nothing has to be sent", () => {
  const one = upstream();
  const timing = new TryTiming(one, systemClock, null);
  assert.deepEqual([timing.body, one.waiting], [null, 1]);
  assert.ok(timing.latencyMs >= 0);
  timing.end();
  timing.end();
  assert.equal(one.waiting, 0);
});

Deno.test("TryTiming leaves out what a client takes to send its content, and waits for an answer once it has come", async () => {
  const one = upstream();
  const body = new HeldBody();
  const timing = new TryTiming(one, systemClock, body);
  const startedAtMs = performance.now();
  for (const chunk of [new Uint8Array(3), null]) {
    assert.equal(one.waiting, 0);
    const reading = timing.body!.read();
    await pause(120);
    // A read that is under way counts too: an upstream may answer before all is sent.
    assert.ok(timing.latencyMs < performance.now() - startedAtMs - 100);
    body.give(chunk);
    assert.equal(await reading, chunk);
  }
  assert.equal(one.waiting, 1);
  assert.ok(timing.latencyMs < performance.now() - startedAtMs - 200);
  assert.equal(timing.body!.trailers, body.trailers);
  timing.end();
  assert.equal(one.waiting, 0);
});

Deno.test("TryTiming waits for nothing where content breaks off, or the answer came before its end", async () => {
  const one = upstream();
  const broken = new HeldBody();
  const timing = new TryTiming(one, systemClock, broken);
  const reading = timing.body!.read();
  broken.fail(new Error("gone"));
  await assert.rejects(reading, { message: "gone" });
  timing.end();
  assert.equal(one.waiting, 0);
  const early = new HeldBody();
  const answered = new TryTiming(one, systemClock, early);
  const late = answered.body!.read();
  answered.end();
  early.give(null);
  await late;
  assert.equal(one.waiting, 0);
  answered.body!.cancel();
  assert.equal(early.isCancelled, true);
});
