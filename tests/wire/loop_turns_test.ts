import assert from "node:assert/strict";
import { LoopTurns, START_BYTES, STEP_BYTES, TURN_BYTES } from "../../lib/wire/loop_turns.ts";

const CHUNK_BYTES = 64 * 1024;
/** Steps of a chunk that fill a turn. */
const STEPS = Math.ceil(TURN_BYTES / (CHUNK_BYTES + STEP_BYTES));
const STARTS = Math.ceil(TURN_BYTES / START_BYTES);

/** Turns that the test begins, by a clock that it moves. */
function driven() {
  let end: (() => void) | null = null;
  let nowMs = 0;
  const turns = new LoopTurns({ soon: (next) => end = next, nowMs: () => nowMs });
  const next = async () => {
    const ended = end;
    end = null;
    ended?.();
    await Promise.resolve();
  };
  return { turns, next, isAtRest: () => end === null, pass: (ms: number) => nowMs += ms };
}

/** Takes chunk after chunk as long as it is let; the chunks taken so far. */
function pump(turns: LoopTurns, lane: string): { readonly chunks: number; isOver: boolean } {
  const state = { chunks: 0, isOver: false };
  const run = async () => {
    while (!state.isOver) {
      state.chunks++;
      await turns.step(lane, CHUNK_BYTES);
    }
  };
  void run();
  return state;
}

Deno.test("LoopTurns.step() lets a turn's worth go on, and the rest in the turns after it", async () => {
  const { turns, next, isAtRest } = driven();
  const waits = Array.from({ length: 2 * STEPS + 1 }, () => turns.step("a", CHUNK_BYTES));
  assert.equal(waits.filter((wait) => wait === null).length, STEPS);
  assert.equal(turns.waiting, STEPS + 1);
  await next();
  assert.equal(turns.waiting, 1);
  await next();
  assert.equal(turns.waiting, 0);
  await Promise.all(waits);
  await next();
  assert.ok(isAtRest(), "nothing is left to call");
});

Deno.test("LoopTurns.step() moves no more than a turn's worth between two looks, however many pump", async () => {
  const { turns, next } = driven();
  const pumps = Array.from({ length: 200 }, () => pump(turns, "flood"));
  const moved = () => pumps.reduce((sum, { chunks }) => sum + chunks, 0);
  await next();
  for (let turn = 0, before = moved(); turn < 50; turn++, before = moved()) {
    await next();
    for (let tick = 0; tick < 10; tick++) await Promise.resolve();
    assert.ok(moved() - before <= STEPS, `${moved() - before} chunks in one turn`);
  }
  const least = Math.min(...pumps.map(({ chunks }) => chunks));
  const most = Math.max(...pumps.map(({ chunks }) => chunks));
  assert.ok(most - least <= 1, "each has its turn");
  for (const one of pumps) one.isOver = true;
});

Deno.test("LoopTurns.step() shares turns among lanes, and never makes one wait that has had less than its share", async () => {
  const { turns, next } = driven();
  const many = Array.from({ length: 100 }, () => pump(turns, "many"));
  const few = Array.from({ length: 20 }, () => pump(turns, "few"));
  const moved = (pumps: readonly { readonly chunks: number }[]) => pumps.reduce((sum, { chunks }) => sum + chunks, 0);
  for (let turn = 0; turn < 2; turn++) await next();
  const before = [moved(many), moved(few)] as const;
  for (let turn = 0; turn < 20; turn++) {
    await next();
    for (let tick = 0; tick < 10; tick++) await Promise.resolve();
    assert.equal(turns.step("quiet", 1000), null);
  }
  const gained = [moved(many) - before[0], moved(few) - before[1]] as const;
  assert.ok(Math.abs(gained[0] - gained[1]) <= gained[0] / 4, `one lane got ${gained[0]}, the other ${gained[1]}`);
  for (const one of [...many, ...few]) one.isOver = true;
});

Deno.test("LoopTurns.start() comes after the steps of its lane, and now and then before them", async () => {
  const { turns, next } = driven();
  const pumps = Array.from({ length: 100 }, () => pump(turns, "a"));
  let started = 0;
  const starts = Array.from({ length: 10 }, () => turns.start("a")!.then((may) => started += Number(may)));
  for (let turn = 0; turn < 20; turn++) await next();
  assert.ok(started > 0 && started < 3, `${started} began`);
  for (const one of pumps) one.isOver = true;
  for (let turn = 0; turn < 50; turn++) await next();
  await Promise.all(starts);
  assert.equal(started, 10);
});

/** Far more starts than turns. */
function overload(turns: LoopTurns, lane: string, count = 4_000) {
  const state = { let: 0, shed: 0 };
  for (let n = 0; n < count; n++) {
    const turn = turns.start(lane);
    if (turn === null) state.let++;
    else void turn.then((may) => may ? state.let++ : state.shed++);
  }
  return state;
}

Deno.test("LoopTurns.start() turns away of the lane that asks for more than its share, and of no other", async () => {
  const { turns, next, pass } = driven();
  const flood = overload(turns, "flood");
  for (let turn = 0; turn < 400; turn++) {
    pass(2);
    await next();
  }
  assert.deepEqual(turns.overloaded, ["flood"]);
  assert.equal(await turns.start("flood"), false);
  assert.notEqual(await turns.start("quiet"), false);
  for (let turn = 0; turn < 600; turn++) {
    pass(2);
    await next();
  }
  assert.ok(flood.shed > 0 && flood.let >= 400 * (STARTS - 1), `${flood.let} let in, ${flood.shed} turned away`);
  assert.equal(flood.let + flood.shed, 4_000, "none waits for longer than the limit");
  assert.deepEqual(turns.overloaded, []);
  assert.notEqual(await turns.start("flood"), false, "it takes new ones at once");
});

Deno.test("LoopTurns.start() turns nothing away of a process that had no core for a while", async () => {
  const { turns, next, pass } = driven();
  const held = overload(turns, "a", 100);
  pass(60_000);
  for (let turn = 0; turn < 100; turn++) {
    await next();
    pass(5_000);
  }
  assert.deepEqual(held, { let: 100, shed: 0 });
});

Deno.test("LoopTurns.start() turns away what has waited for seconds, also where turns are slow", async () => {
  const { turns, next, pass } = driven();
  const held = overload(turns, "a", 1_000);
  for (let turn = 0; turn < 80; turn++) {
    await next();
    pass(100);
  }
  assert.equal(held.let + held.shed, 1_000);
  assert.ok(held.shed > 0);
});

Deno.test("LoopTurns.start() bounds what waits", () => {
  const { turns } = driven();
  overload(turns, "a", 50_000);
  assert.ok(turns.waiting < 5_000);
});
