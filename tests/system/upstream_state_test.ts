import assert from "node:assert/strict";
import { type ScriptedHandler, type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { testConfig } from "./test_config.ts";

const well: ScriptedHandler = (exchange) => exchange.reply({ body: "x" });

/** A configuration over these upstreams; nothing is stored, nothing checked. */
function configOf(
  places: GatewayPlaces,
  urls: readonly string[],
  more: Readonly<Record<string, unknown>> = {},
): string {
  return testConfig(places, {
    logging: { access: "off" },
    pools: {
      p: {
        type: "custom",
        strategy: "round-robin",
        upstreams: urls,
        health: { enabled: false },
        outliers: { ejection_time: "60s", max_ejected: "100%" },
        panic: "fail",
        ...more,
      },
    },
    listeners: [{ name: "l", prefix: "/", pool: "p", cache: { mode: "off" } }],
  });
}

async function start(stack: AsyncDisposableStack, handlers: readonly ScriptedHandler[]) {
  const origins: ScriptedOrigin[] = [];
  for (const handler of handlers) {
    origins.push(stack.adopt(await startScriptedOrigin(handler), (origin) => origin.close()));
  }
  let places: GatewayPlaces | undefined;
  const urls = origins.slice(0, 2).map(({ url }) => url);
  const gateway = stack.adopt(
    await startGateway({ config: (given) => configOf(places = given, urls) }),
    (running) => running.close(),
  );
  return { origins, gateway, places: places! };
}

async function ask(gateway: RunningGateway, count: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let turn = 0; turn < count; turn++) {
    const response = await fetch(`${gateway.url}/${turn}`);
    await response.body?.cancel();
    statuses.push(response.status);
  }
  return statuses;
}

async function reload(gateway: RunningGateway, yaml: string): Promise<void> {
  const { generation } = (await gateway.status()).config;
  await gateway.writeConfig(yaml);
  gateway.signal("SIGHUP");
  await eventually("the reload is through", async () => {
    const { config, workers } = await gateway.status();
    return [config.generation, ...workers.map((worker) => worker.generation)].every((one) => one === generation + 1);
  });
}

async function stateOf(gateway: RunningGateway, url: string): Promise<string | undefined> {
  return (await gateway.status()).pools[0]!.upstreams.find((upstream) => upstream.url === url)?.state;
}

Deno.test("a reload keeps an unchanged upstream ejected, gives a removed one nothing, and ramps an added one", async () => {
  await using stack = new AsyncDisposableStack();
  const fails: ScriptedHandler = (exchange) => exchange.reply({ status: 500 });
  const { origins: [bad, good, added], gateway, places } = await start(stack, [fails, well, well]);
  await ask(gateway, 40);
  await eventually("the failing upstream is ejected", async () => await stateOf(gateway, bad!.url) === "ejected");
  bad!.handle(well);
  const before = bad!.heads.length;

  await reload(gateway, configOf(places, [bad!.url, good!.url, added!.url], { slow_start: "1h" }));
  assert.ok((await ask(gateway, 100)).every((status) => status === 200));
  assert.equal(await stateOf(gateway, bad!.url), "ejected");
  assert.equal(bad!.heads.length, before, "it is still out");
  const share = added!.heads.length / 100;
  assert.ok(share > 0 && share < 0.25, `the added upstream began with ${share} of the requests`);

  await reload(gateway, configOf(places, [bad!.url, added!.url]));
  const atSwap = good!.heads.length;
  assert.ok((await ask(gateway, 40)).every((status) => status === 200));
  assert.equal(good!.heads.length, atSwap, "the removed upstream gets nothing");
});

Deno.test("a reload keeps the weights that response times gave to unchanged upstreams", async () => {
  await using stack = new AsyncDisposableStack();
  const slow: ScriptedHandler = async (exchange) => {
    await exchange.wait(200);
    await exchange.reply({ body: "x" });
  };
  const { origins: [fast, late], gateway, places } = await start(stack, [well, slow]);
  const urls = [fast!.url, late!.url];
  const figures = async () =>
    (await gateway.status()).pools[0]!.upstreams.map(({ weight, slow_ms }) => ({ weight: weight!, slowMs: slow_ms! }));
  await eventually("the weights tell them apart", async () => {
    await ask(gateway, 20);
    const [one, two] = await figures();
    return one!.weight > 3 * two!.weight && two!.slowMs > 20;
  });
  let before = await figures();
  await eventually("all that was asked is taken in", async () => {
    const earlier = before;
    before = await figures();
    return JSON.stringify(before) === JSON.stringify(earlier);
  });

  await reload(gateway, configOf(places, urls, { strategy: "weighted-ewma" }));
  const after = await figures();
  for (const [index, { weight, slowMs }] of after.entries()) {
    const was = before[index]!;
    assert.ok(Math.abs(weight - was.weight) < 0.25 * was.weight, `weight ${was.weight} became ${weight}`);
    assert.ok(Math.abs(slowMs - was.slowMs) < 0.25 * was.slowMs, `${was.slowMs} ms became ${slowMs}`);
  }
  const atReload = late!.heads.length;
  assert.ok((await ask(gateway, 40)).every((status) => status === 200));
  assert.ok(late!.heads.length - atReload < 20, `the slower one was given ${late!.heads.length - atReload} of 40`);
});

Deno.test("a storm of 404s changes the state of no upstream", async () => {
  await using stack = new AsyncDisposableStack();
  const missing: ScriptedHandler = (exchange) => exchange.reply({ status: 404 });
  const { origins, gateway } = await start(stack, [missing, missing]);
  assert.deepEqual(new Set(await ask(gateway, 150)), new Set([404]));
  for (const { url } of origins) assert.ok(["healthy", "unknown"].includes((await stateOf(gateway, url))!));
  assert.equal(origins[0]!.heads.length + origins[1]!.heads.length, 150);
});

Deno.test("an upstream that answers 429 at once loses its requests to one that answers later", async () => {
  await using stack = new AsyncDisposableStack();
  const limited: ScriptedHandler = (exchange) => exchange.reply({ status: 429, fields: [["retry-after", "2"]] });
  const slow: ScriptedHandler = async (exchange) => {
    await exchange.wait(100);
    await exchange.reply({ body: "x" });
  };
  const { origins: [fast, steady], gateway, places } = await start(stack, [well, slow]);
  await reload(gateway, configOf(places, [fast!.url, steady!.url], { strategy: "weighted-ewma" }));
  await eventually("it is known as the faster one", async () => {
    await ask(gateway, 20);
    const weights = (await gateway.status()).pools[0]!.upstreams.map(({ weight }) => weight ?? 0);
    return weights[0]! > weights[1]!;
  });
  fast!.handle(limited);
  await eventually("its weight has fallen", async () => {
    assert.deepEqual(new Set(await ask(gateway, 10)), new Set([200]));
    const weights = (await gateway.status()).pools[0]!.upstreams.map(({ weight }) => weight ?? 0);
    return weights[0]! * 5 < weights[1]!;
  });
  const before = fast!.heads.length;
  assert.deepEqual(new Set(await ask(gateway, 100)), new Set([200]));
  assert.ok(fast!.heads.length - before < 40, `${fast!.heads.length - before} of 100`);
});
