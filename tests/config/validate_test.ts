import assert from "node:assert/strict";
import { problemsOf, SOUND, warningsOf } from "./load_text.ts";

Deno.test("validate() wants a token for an admin address that is open to others", async () => {
  assert.deepEqual(await problemsOf(`admin: { listen: ":6636" }${SOUND}`), [
    '1:18 admin.listen: found ":6636" expected a loopback address such as 127.0.0.1:6636, or a secret in admin.token',
  ]);
  assert.equal((await problemsOf(`admin: { listen: ":6636", token: "\${TOKEN:-}" }${SOUND}`)).length, 1);
  assert.deepEqual(await problemsOf(`admin: { listen: ":6636", token: s3cret }${SOUND}`), []);
  assert.deepEqual(await problemsOf(`admin: { listen: "[::1]:6636" }${SOUND}`), []);
});

Deno.test("validate() wants an entry to fit a tier, and shrinks the default instead of complaining", async () => {
  assert.deepEqual(await problemsOf(`cache: { memory: 1MiB, disk: 0, max_entry: 2MiB }${SOUND}`), [
    '1:44 cache.max_entry: found "2MiB" expected a size that cache.memory or cache.disk can hold',
  ]);
  assert.deepEqual(await problemsOf(`cache: { memory: 1MiB, disk: 0 }${SOUND}`), []);
  assert.deepEqual(await problemsOf(`cache: { memory: 1MiB, disk: 1GiB, max_entry: 2MiB }${SOUND}`), []);
});

Deno.test("validate() warns of bodies that can never be stored", async () => {
  assert.deepEqual(await warningsOf(`cache: { fill_memory: 1MiB }${SOUND}`), [
    "1:23 cache.fill_memory: it is smaller than cache.max_entry: bodies larger than it are never stored",
  ]);
});

Deno.test("validate() allows port 0 with one worker only", async () => {
  const text = SOUND.replace("name: a,", 'name: a, listen: "127.0.0.1:0",');
  assert.match(
    (await problemsOf(text))[0] ?? "",
    /^5:24 listeners\[0\]\.listen: found "127\.0\.0\.1:0" expected a port/,
  );
  assert.deepEqual(await problemsOf(`server: { workers: 1 }${text}`), []);
});
