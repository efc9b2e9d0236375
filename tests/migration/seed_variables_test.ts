import assert from "node:assert/strict";
import { formerVariables, seedVariables, tellingVariables } from "../../lib/migration/seed_variables.ts";

Deno.test("seedVariables holds each variable of the seed once, and says of each what becomes of it", () => {
  const names = seedVariables.map(({ name }) => name);
  assert.deepEqual(names.toSorted(), [...new Set(names)].toSorted());
  assert.deepEqual(
    names.toSorted(),
    [
      ...["ALPHA_ADJUSTMENT_STEP", "ALPHA_INITIAL", "BASE_WEIGHT_MULTIPLIER", "CACHE_DIR", "CACHE_ENABLED"],
      ...["CACHE_MAX_SIZE", "DISK_CACHE_CLEANUP_INTERVAL", "DISK_CACHE_TTL", "DYNAMIC_WEIGHT_MULTIPLIER"],
      ...["HEALTH_CHECK_INTERVAL", "MAX_ERRORS_BEFORE_UNHEALTHY", "MAX_SERVER_SWITCHES"],
      ...["MEMORY_CACHE_CLEANUP_INTERVAL", "MEMORY_CACHE_SIZE", "MEMORY_CACHE_TTL", "NUM_WORKERS", "PORT"],
      ...["REQUEST_TIMEOUT", "TMDB_API_KEY", "TMDB_IMAGE_TEST_URL", "TZ", "UNHEALTHY_TIMEOUT", "UPSTREAM_SERVERS"],
      "UPSTREAM_TYPE",
    ],
  );
  for (const { name, key, note } of seedVariables) {
    if (key === null) assert.match(note ?? "", /^has no counterpart: /, name);
  }
});

Deno.test("formerVariables and tellingVariables fit the table", () => {
  for (const name of Object.keys(formerVariables)) assert.ok(!seedVariables.some((one) => one.name === name), name);
  for (const name of tellingVariables) assert.ok(seedVariables.some((one) => one.name === name), name);
});

Deno.test("docs/migrating.md has a row for each variable, with its key", async () => {
  const page = await Deno.readTextFile("docs/migrating.md");
  for (const { name, key } of seedVariables) {
    const row = new RegExp(`^\\| \`${name}\` +\\|.*`, "m").exec(page)?.[0];
    assert.ok(row !== undefined, name);
    if (key !== null) assert.ok(row.includes(key), `${name}: ${key}`);
  }
});
