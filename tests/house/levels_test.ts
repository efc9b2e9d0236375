import assert from "node:assert/strict";
import { judgeImport, judgePlace, placeOf } from "./levels.ts";

const ALLOWED: ReadonlyArray<readonly [from: string, to: string, why: string]> = [
  ["lib/cache/key.ts", "lib/cache/store.ts", "its own room"],
  ["lib/cache/key.ts", "lib/http/fields.ts", "a lower level"],
  ["lib/cache/disk/kv_tier.ts", "lib/cache/_chunks.ts", "private to its own room"],
  ["lib/health/weights.ts", "lib/pool/upstream.ts", "one level down"],
  ["lib/gateway/gateway.ts", "lib/config/config.ts", "the gateway knows the configuration"],
  ["lib/admin/orders.ts", "lib/config/config.ts", "above the gateway"],
  ["routes/proxy.ts", "routes/health.ts", "routes are one room"],
  ["main.ts", "routes/proxy.ts", "main is on top"],
  ["tests/gateway_test.ts", "lib/cache/key.ts", "tests stand outside the levels"],
  ["tests/cache/_chunks_test.ts", "lib/cache/_chunks.ts", "a room's tests may see what is private to it"],
  ["lib/config/schema.ts", "config.schema.json", "data stands in no level"],
];

const REFUSED: ReadonlyArray<readonly [from: string, to: string, says: RegExp]> = [
  [
    "lib/cache/x.ts",
    "lib/health/y.ts",
    /^lib\/cache\/x\.ts \(level 2\) imports lib\/health\/y\.ts \(level 3\): .*level 1 or below.*pass it in/,
  ],
  ["lib/cache/key.ts", "lib/pool/upstream.ts", /cache\/ and pool\/ never meet/],
  ["lib/listener/route_table.ts", "lib/upstream_type/custom.ts", /listener\/ and upstream_type\/ never meet/],
  ["lib/http/fields.ts", "lib/logging/logger.ts", /\(level 1\).*\(level 1\)/],
  ["lib/health/weights.ts", "lib/upstream_client/send.ts", /\(level 3\).*\(level 3\)/],
  ["lib/admin/orders.ts", "lib/inspect/doctor.ts", /\(level 10\).*\(level 10\)/],
  ["lib/errors.ts", "lib/clock.ts", /into the file itself/],
  ["lib/gateway/gateway.ts", "lib/workers/supervisor/supervisor.ts", /\(level 8\).*\(level 9\)/],
  ["lib/workers/supervisor/supervisor.ts", "routes/admin.ts", /\(level 9\).*\(level 11\)/],
  ["routes/admin.ts", "main.ts", /\(level 11\).*\(level 12\)/],
  ["lib/pipeline/pipeline.ts", "lib/config/config.ts", /\(level 6\).*\(level 7\)/],
  ["lib/workers/worker/a.ts", "lib/inspect/explain.ts", /\(level 9\).*\(level 10\)/],
  ["lib/pool/pool.ts", "lib/cache/_chunks.ts", /private to lib\/cache\//],
  ["tests/pool/pool_test.ts", "lib/cache/_chunks.ts", /private to lib\/cache\//],
  ["lib/gateway/gateway.ts", "tests/origins/tmdb.ts", /never imports its tests/],
];

Deno.test("judgeImport() lets an import go down or stay in its room", () => {
  for (const [from, to, why] of ALLOWED) assert.equal(judgeImport(from, to), undefined, `${from} -> ${to}: ${why}`);
});

Deno.test("judgeImport() refuses every other import and says where the thing belongs", () => {
  for (const [from, to, says] of REFUSED) assert.match(judgeImport(from, to) ?? "(allowed)", says, `${from} -> ${to}`);
});

Deno.test("judgePlace() refuses a room that has no level", () => {
  assert.match(judgePlace("lib/magic/wand.ts") ?? "", /no known room.*tests\/house\/levels\.ts/);
  assert.match(judgePlace("lib/wand.ts") ?? "", /no known room/);
  assert.equal(judgePlace("lib/cache/key.ts"), undefined);
  assert.equal(judgePlace("tests/house/levels.ts"), undefined);
});

Deno.test("placeOf() gives leaves, rooms, the gateway, routes and main their levels", () => {
  const paths = [
    "lib/clock.ts",
    "lib/http/a.ts",
    "lib/pool/a.ts",
    "lib/health/a.ts",
    "lib/request/a.ts",
    "lib/deliver/a.ts",
    "lib/pipeline/a.ts",
    "lib/gateway/gateway.ts",
  ];
  assert.deepEqual(paths.map((path) => placeOf(path)?.level), [0, 1, 2, 3, 4, 5, 6, 8]);
  assert.deepEqual(["lib/workers/a.ts", "routes/a.ts", "main.ts"].map((path) => placeOf(path)?.level), [9, 11, 12]);
});
