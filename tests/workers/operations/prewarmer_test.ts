import assert from "node:assert/strict";
import type { Config } from "../../../lib/config/config.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import type { PrewarmResult } from "../../../lib/workers/messages.ts";
import { Prewarmer } from "../../../lib/workers/operations/prewarmer.ts";
import { configOf, type Mapping } from "../../gateway/config_of.ts";
import { eventually } from "../../eventually.ts";
import type { StateStore } from "../../../lib/state/state_store.ts";
import { MapStateStore } from "../../state/map_state_store.ts";

const FETCHED: PrewarmResult = { outcome: "fetched", detail: null, bytes: 1 };
const ORDER = { listener: "films", targets: null, concurrency: null, ratePerSecond: null, pictures: null };

function withPrewarm(prewarm: Mapping): Promise<Config> {
  return configOf({
    pools: { films: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] } },
    listeners: [{ name: "films", listen: "127.0.0.1:6635", host: "films.example", pool: "films", prewarm }],
  });
}

/** A prewarmer over a state store; what it asked for and what it logged. */
function prewarmerOf(config: Config, store: StateStore | null, fetch?: (url: string) => Promise<PrewarmResult>) {
  const asked: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const sink = (line: string) => void lines.push(JSON.parse(line));
  const logger = createLogger({ level: "info", format: "json", sink, now: () => 0 });
  const prewarmer = new Prewarmer({
    ...{ state: store, logger, config: () => config },
    fetch: (_, url) => (asked.push(url), fetch?.(url) ?? Promise.resolve(FETCHED)),
  });
  const state = () => prewarmer.status()[0]?.state;
  return { prewarmer, asked, lines, state };
}

Deno.test("Prewarmer.start() begins what is configured, under the listener's host, unless it is not to", async () => {
  const state = new MapStateStore();
  const eager = prewarmerOf(await withPrewarm({ paths: ["/a", "/b"], rate: 1000 }), state);
  await eager.prewarmer.start();
  await eventually("it is done", () => eager.state() === "done");
  assert.deepEqual(eager.asked, ["http://films.example/a", "http://films.example/b"]);
  const idle = prewarmerOf(await withPrewarm({ paths: ["/a"], at_start: false }), state);
  await idle.prewarmer.start();
  assert.deepEqual(idle.prewarmer.status(), []);
  const answer = await idle.prewarmer.begin(ORDER, "ops");
  assert.deepEqual(answer, { ok: true, total: 1 });
  await eventually("it is done", () => idle.state() === "done");
  assert.ok(idle.lines.some((line) => line["audit"] === "prewarm" && line["actor"] === "ops"));
  await Promise.all([eager.prewarmer.close(), idle.prewarmer.close()]);
});

Deno.test("Prewarmer.begin() refuses what it cannot do, and a second one at a time", async () => {
  const hanging = Promise.withResolvers<PrewarmResult>();
  const { prewarmer } = prewarmerOf(await withPrewarm({ file: "/no/such/list" }), null, () => hanging.promise);
  const problems = [
    await prewarmer.begin({ ...ORDER, listener: "other" }, "ops"),
    await prewarmer.begin(ORDER, "ops"),
    await prewarmer.begin({ ...ORDER, targets: [] }, "ops"),
  ];
  assert.match(JSON.stringify(problems), /no listener.*no such file.*Nothing is configured/i);
  assert.deepEqual(await prewarmer.begin({ ...ORDER, targets: ["/a", "/a"] }, "ops"), { ok: true, total: 1 });
  const second = await prewarmer.begin({ ...ORDER, targets: ["/b"] }, "ops");
  assert.ok(!second.ok && second.isBusy);
  hanging.resolve(FETCHED);
  await prewarmer.close();
});

Deno.test("Prewarmer.start() goes on where close() left off, and forgets what stop() ended", async () => {
  const state = new MapStateStore();
  const config = await withPrewarm({ rate: 1000, concurrency: 1 });
  const targets = Array.from({ length: 30 }, (_, n) => `http://films.example/${n}`);
  const first = prewarmerOf(config, state);
  await first.prewarmer.begin({ ...ORDER, targets, ratePerSecond: 100 }, "ops");
  await eventually("some are fetched", () => first.asked.length >= 10);
  await first.prewarmer.close();
  const seen = first.asked.length;
  assert.ok(seen < 30);
  const second = prewarmerOf(config, state);
  await second.prewarmer.start();
  await eventually("it is done", () => second.state() === "done");
  assert.deepEqual([...first.asked, ...second.asked], targets);
  await second.prewarmer.close();
  const third = prewarmerOf(config, state);
  await third.prewarmer.begin({ ...ORDER, targets, ratePerSecond: 1 }, "ops");
  assert.deepEqual([await third.prewarmer.stop("films", "ops"), await third.prewarmer.stop("films", "ops")], [
    true,
    false,
  ]);
  const fourth = prewarmerOf(config, state);
  await fourth.prewarmer.start();
  assert.deepEqual(fourth.prewarmer.status(), []);
});
