import assert from "node:assert/strict";
import { ClientRate } from "../../lib/request/client_rate.ts";
import { newClientMemory, ToldClients } from "../../lib/request/client_table.ts";
import { eventually } from "../eventually.ts";
import { HAS_REDIS, startRedis } from "./redis_server.ts";
import { Gateway, gateways, LIMIT, PER_SECOND, rateErrors, SECRET } from "./client_rate_errors.ts";

Deno.test({
  name: "client rates: a client has its limit over five gateways, whatever their clocks say, engine up or hung",
  ignore: !HAS_REDIS,
}, async () => {
  const { up, down } = await rateErrors(5, 4, true);
  // A late machine is alone now and then, and gives less.
  assert.ok(up <= 0.25 && up > -0.8, `up: ${up}`);
  assert.ok(down <= 0.25 && down > -0.9, `down: ${down}`);
});

Deno.test({
  name: "client rates: what is spent at one gateway is known at the others, and comes back",
  ignore: !HAS_REDIS,
}, async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const [one, two] = await gateways(stack, redis, [0, 60_000]) as [Gateway, Gateway];
  for (let n = 0; n < PER_SECOND; n++) assert.ok(one.take("198.51.100.1"), `request ${n}`);
  assert.ok(!one.take("198.51.100.1"));
  await eventually("it is told", () => one.rates.state().told > 0);
  // One request asks what others know of the client.
  two.take("198.51.100.1");
  const told = two.rates.state().told;
  await eventually("the answer is there", () => two.rates.state().told > told);
  const keys = await redis.command("KEYS", "*") as readonly Uint8Array[];
  const names = keys.map((key) => new TextDecoder().decode(key));
  assert.ok(names.every((name) => /^u:t:\{rate\}:(?:members|[0-9a-z]+)$/.test(name)), names.join());
  assert.ok(!names.join().includes("198.51"), "no address is told");
  await two.close();
  await eventually("a gateway that leaves is gone at once", () => one.rates.state().members === 1);
});

Deno.test({
  name: "client rates: without the engine each gateway has its part, one request at least, and all again afterwards",
  ignore: !HAS_REDIS,
}, async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const [one] = await gateways(stack, redis, [0, 0]) as [Gateway, Gateway];
  await redis.kill();
  await eventually("it is alone", () => one.rates.state().isAlone);
  const allowed = Array.from({ length: PER_SECOND }, () => one.take("192.0.2.1")).filter(Boolean).length;
  assert.ok(allowed >= 1 && allowed <= PER_SECOND * 0.6, `${allowed} allowed of a half`);
  await redis.restart();
  await eventually("it is not alone any more", () => !one.rates.state().isAlone);
  const again = Array.from({ length: PER_SECOND + 5 }, () => one.take("192.0.2.2")).filter(Boolean).length;
  assert.ok(again >= PER_SECOND, `${again} allowed`);
});

Deno.test("ClientTable: two gateways with one secret call a client the same, others do not", () => {
  const key = (secret: string | null) => {
    const memory = newClientMemory(secret);
    new ClientRate(memory, LIMIT).take("203.0.113.9", () => null, 1_000);
    return new ToldClients(memory).take(10).map((client) => client.key)[0];
  };
  assert.equal(key("one-secret"), key("one-secret"));
  assert.notEqual(key("one-secret"), key("another-secret"));
  assert.equal(key(null), undefined, "nobody is told where gateways count each for itself");
});

Deno.test("ToldClients: what is told is told once, in turn, and never raises another client's time", () => {
  const memory = newClientMemory(SECRET);
  const rate = new ClientRate(memory, LIMIT);
  const told = new ToldClients(memory);
  for (let n = 0; n < 300; n++) rate.take(`192.0.2.${n}`, () => null, 5_000);
  rate.take("192.0.2.7", () => null, 5_000);
  const first = told.take(100);
  const rest = told.take(500);
  assert.deepEqual([first.length, rest.length, told.take(500).length], [100, 200, 0]);
  const eachUs = BigInt(1_000_000 / PER_SECOND);
  const spent = [...first, ...rest].map(({ spentUs }) => spentUs).toSorted();
  assert.deepEqual([spent[0], spent.at(-1), spent.filter((us) => us === eachUs).length], [eachUs, 2n * eachUs, 299]);
  const [client] = first;
  told.raise(client!, 1_000_000n, 5_000_000n);
  told.raise({ ...client!, key: 1n }, 9_000_000n, 5_000_000n);
  const cells = new BigInt64Array(memory, 0, 3 + 65_536 * 4);
  assert.equal(cells[client!.cell], 6_000_000n);
});
