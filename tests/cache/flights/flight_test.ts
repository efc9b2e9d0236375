import assert from "node:assert/strict";
import { Flight } from "../../../lib/cache/flights/flight.ts";

Deno.test("land() tells everyone who waits, before and after", async () => {
  const flight = new Flight("k");
  const early = flight.result;
  assert.equal(flight.landed, false);
  flight.land({ kind: "failed", error: new Error("no upstream") });
  assert.equal(flight.landed, true);
  assert.deepEqual(await early, { kind: "failed", error: new Error("no upstream") });
  assert.deepEqual(await flight.result, await early);
});

Deno.test("land() counts once: a later result changes nothing", async () => {
  const flight = new Flight("k");
  flight.land({ kind: "solo" });
  flight.land({ kind: "failed", error: new Error("late") });
  assert.deepEqual(await flight.result, { kind: "solo" });
});

Deno.test("a flight that failed and has no followers is no unhandled rejection", async () => {
  new Flight("k").land({ kind: "failed", error: new Error("nobody waits") });
  await new Promise((resolve) => setTimeout(resolve));
});
