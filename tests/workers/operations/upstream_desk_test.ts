import assert from "node:assert/strict";
import type { CheckResult } from "../../../lib/health/check.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import type { StateStore } from "../../../lib/state/state_store.ts";
import { UpstreamDesk } from "../../../lib/workers/operations/upstream_desk.ts";
import { configOf } from "../../gateway/config_of.ts";
import { MapStateStore } from "../../state/map_state_store.ts";

const ONE = "http://127.0.0.1:1";
const TWO = "http://127.0.0.1:2";

async function configWith(upstreams: readonly string[]) {
  return await configOf({
    pools: { films: { type: "custom", health: false, upstreams } },
    listeners: [{ name: "films", listen: "127.0.0.1:6635", pool: "films" }],
  });
}

interface Parts {
  readonly state?: StateStore | null;
  readonly before?: StateStore;
  readonly upstreams?: readonly string[];
  readonly check?: () => Promise<CheckResult | null>;
}

/** A desk, what went through it, and a way to another configuration. */
async function deskOf({ state = new MapStateStore(), before, upstreams = [ONE, TWO], check }: Parts = {}) {
  const lines: Record<string, unknown>[] = [];
  const sink = (line: string) => void lines.push(JSON.parse(line));
  const spreads: string[][] = [];
  let config = await configWith(upstreams);
  const desk = await UpstreamDesk.open({
    state,
    before,
    logger: createLogger({ level: "info", format: "json", sink, now: () => 0 }),
    config: () => config,
    spread: (drained) => Promise.resolve(spreads.push(drained.map(({ upstream }) => upstream)) && 2),
    check: check ?? (() => Promise.resolve(null)),
  });
  const reconfigure = async (next: readonly string[]) => {
    config = await configWith(next);
    await desk.reconfigure();
  };
  return { desk, lines, spreads, reconfigure };
}

Deno.test("drain() brings the whole list into the workers, says what is left, and is audited; undrain() takes it back", async () => {
  const { desk, lines, spreads } = await deskOf();
  const first = await desk.drain("films", ONE, "ops");
  assert.ok(first.ok);
  assert.deepEqual([first.workers, first.left, first.isPersisted, first.drain?.by], [2, 1, true, "ops"]);
  // As somebody types it: the slash at the end is no other upstream.
  const second = await desk.drain("films", `${TWO}/`, "somebody else");
  assert.ok(second.ok && second.upstream === TWO && second.left === 0);
  const again = await desk.drain("films", ONE, "a third");
  assert.ok(again.ok && again.drain?.by === "ops", "who drained it first");
  const back = await desk.undrain("films", ONE, "ops");
  assert.ok(back.ok && back.drain === null && back.left === 1);
  assert.deepEqual(spreads, [[], [ONE], [ONE, TWO], [ONE, TWO], [TWO]]);
  assert.deepEqual(lines.filter(({ audit }) => audit !== undefined).map((line) => [line["audit"], line["outcome"]]), [
    ["drain", "done"],
    ["drain", "done"],
    ["drain", "it was so already"],
    ["undrain", "done"],
  ]);
  assert.ok(lines.some(({ message }) => String(message).startsWith("Every upstream of a pool is drained")));
});

Deno.test("drains outlive the process, and are forgotten with a line where the configuration has lost the upstream", async () => {
  const state = new MapStateStore();
  const { desk } = await deskOf({ state });
  await Promise.all([desk.drain("films", ONE, "ops"), desk.drain("films", TWO, "ops")]);
  const next = await deskOf({ state, upstreams: [ONE] });
  assert.deepEqual(next.desk.drains.map(({ upstream, by }) => [upstream, by]), [[ONE, "ops"]]);
  assert.deepEqual(next.spreads.at(-1), [ONE]);
  assert.deepEqual(next.lines.map(({ message, upstream }) => [message, upstream]), [
    ["A drained upstream has left the configuration: its drain is forgotten", TWO],
    ["An upstream is still drained: it gets no requests", ONE],
  ]);
  await next.reconfigure([TWO]);
  assert.deepEqual(next.desk.drains, []);
  await next.reconfigure([ONE, TWO]);
  assert.deepEqual([next.desk.drains, (await deskOf({ state })).desk.drains], [[], []]);
});

Deno.test("drain() without a state store, or where that fails, says that it ends with the process", async () => {
  const alone = await (await deskOf({ state: null })).desk.drain("films", ONE, "ops");
  assert.ok(alone.ok && !alone.isPersisted);
  const broken = new MapStateStore();
  broken.get = broken.set = () => Promise.reject(new Error("the disk is full"));
  const { desk, spreads, lines } = await deskOf({ state: broken });
  const outcome = await desk.drain("films", ONE, "ops");
  assert.ok(outcome.ok && !outcome.isPersisted);
  assert.deepEqual(spreads.at(-1), [ONE]);
  assert.deepEqual(lines.filter(({ level }) => level === "error").map(({ problem }) => problem), [
    "Error: the disk is full",
    "Error: the disk is full",
  ]);
});

Deno.test("attach() goes on with the file of a process before: its drains held already, and what was said here comes last", async () => {
  const before = new MapStateStore();
  const old = await deskOf({ state: before });
  await old.desk.drain("films", ONE, "ops");
  const { desk, spreads } = await deskOf({ state: null, before });
  assert.deepEqual(spreads, [[ONE]]);
  const outcome = await desk.undrain("films", ONE, "ops");
  assert.ok(outcome.ok && !outcome.isPersisted);
  assert.equal((await deskOf({ state: before })).desk.drains.length, 1, "nothing was written beside the other process");
  await old.desk.drain("films", TWO, "ops");
  await desk.attach(before);
  assert.deepEqual(spreads.at(-1), [TWO]);
  assert.deepEqual((await deskOf({ state: before })).desk.drains.map(({ upstream }) => upstream), [TWO]);
  const later = await desk.undrain("films", TWO, "ops");
  assert.ok(later.ok && later.isPersisted);
});

Deno.test("a name that is not known is answered with those that are, without what may be secret in it", async () => {
  const { desk } = await deskOf();
  const noPool = await desk.drain("film", ONE, "ops");
  assert.deepEqual(noPool, { ok: false, problem: 'There is no pool "film": there is films' });
  const noUpstream = await desk.undrain("films", "http://127.0.0.1:3/?api_key=very-secret", "ops");
  assert.ok(!noUpstream.ok && noUpstream.problem.endsWith(`it has ${ONE}, ${TWO}`));
  assert.doesNotMatch(JSON.stringify([noUpstream, await desk.check("films", "x?token=very-secret", "ops")]), /very/);
});

Deno.test("check() says how the host is, that it has no check, or that nobody can check it now", async () => {
  const checked = async (check: () => Promise<CheckResult | null>) =>
    await (await deskOf({ check })).desk.check("films", ONE, "ops");
  const named = { ok: true, pool: "films", upstream: ONE };
  const result = (verdict: CheckResult["verdict"], reason: string) => () =>
    Promise.resolve({ verdict, reason, latencyMs: 3.14159 });
  assert.deepEqual(await checked(result("pass", "")), { ...named, isWell: true, ms: 3.1, detail: "" });
  assert.deepEqual(await checked(result("fail", "status 503")), {
    ...named,
    isWell: false,
    ms: 3.1,
    detail: "status 503",
  });
  const refused = await checked(result("credential", "status 401"));
  assert.deepEqual(refused, { ...named, isWell: true, ms: 3.1, detail: "it refuses the key: status 401" });
  const unchecked = await checked(() => Promise.resolve(null));
  assert.ok(!unchecked.ok && unchecked.reason === "unchecked");
  const busy = await checked(() => Promise.reject(new Error("The health worker is starting again")));
  assert.deepEqual(busy, { ok: false, reason: "busy", problem: "The health worker is starting again" });
});
