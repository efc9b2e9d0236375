import assert from "node:assert/strict";
import { madeOnce, within } from "../../lib/deliver/image_form.ts";
import { sample } from "../cache/stored_sample.ts";
import { plainParts, withGateway } from "../pipeline/in_process_gateway.ts";

const KEY = "l\0\0/a\0~made";
const fresh = (key = KEY) => sample(key, 10, { responseTimeMs: Date.UTC(2026, 0, 2, 3, 4, 5) });

const withServices = (run: Parameters<typeof withGateway>[1]) => withGateway(plainParts(["http://127.0.0.1:9"]), run);

Deno.test("madeOnce() makes once for all who ask meanwhile, and stores it", () =>
  withServices(async ({ gateway: { services } }) => {
    const gate = Promise.withResolvers<void>();
    let made = 0;
    const make = async () => {
      made++;
      await gate.promise;
      return fresh();
    };
    const all = [1, 2, 3].map(() => madeOnce(services, { key: KEY, make }));
    gate.resolve();
    const responses = await Promise.all(all);
    assert.equal(made, 1);
    for (const response of responses) assert.deepEqual(response!.body, fresh().body);
    const found = await services.store.get(KEY);
    assert.deepEqual(found!.response.body, fresh().body);
  }));

Deno.test("madeOnce() gives nothing where nothing is made, and lets the next one try", () =>
  withServices(async ({ gateway: { services } }) => {
    const failing = () => Promise.reject(new Error("a test says so"));
    assert.equal(await madeOnce(services, { key: KEY, make: failing }), null);
    assert.equal(await madeOnce(services, { key: KEY, make: () => Promise.resolve(null) }), null);
    const both = [0, 1].map(() => madeOnce(services, { key: KEY, make: failing }));
    assert.deepEqual(await Promise.all(both), [null, null]);
    assert.equal((await madeOnce(services, { key: KEY, make: () => Promise.resolve(fresh()) }))!.key, KEY);
  }));

Deno.test("within() gives undefined for what takes longer, and leaves no timer behind", async () => {
  assert.equal(await within(Promise.resolve(1), 60_000), 1);
  const late = Promise.withResolvers<number>();
  assert.equal(await within(late.promise, 0), undefined);
  late.resolve(2);
  await assert.rejects(within(Promise.reject(new Error("a test says so")), 60_000));
});
