import assert from "node:assert/strict";
import { configOf } from "./_load_text.ts";

Deno.test("buildConnection() carries every key over, a password from the environment included", async () => {
  const config = await configOf(
    `
pools:
  p:
    type: custom
    upstreams:
      - { url: https://one.example, proxy: "http://me:\${PASSWORD}@proxy.example:3128", allow_private: true, usher: true,
          max_idle: 0, idle_timeout: 5s }
      - { url: https://two.example, http2: true }
listeners: [{ name: l, pool: p }]
`,
    { env: { PASSWORD: "p%2Fw" } },
  );
  const [one, two] = config.pools[0]!.upstreams;
  assert.equal(one!.proxy, "http://me:p%2Fw@proxy.example:3128");
  assert.deepEqual([one!.allowPrivate, one!.usher, one!.http2], [true, true, false]);
  assert.deepEqual([one!.maxIdle, one!.idleTimeoutMs], [0, 5000]);
  assert.deepEqual([two!.proxy, two!.http2, two!.maxIdle, two!.idleTimeoutMs], [null, true, null, 55_000]);
});
