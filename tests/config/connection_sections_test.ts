import assert from "node:assert/strict";
import { problemsOf } from "./load_text.ts";

Deno.test("connection keys are checked with their place in the file, and a proxy's password is never shown", async () => {
  const problems = await problemsOf(
    `pools:
  p:
    type: custom
    upstreams:
      - { url: https://one.example, proxy: "ftp://me:hunter2@x", allow_private: often, idle_timeout: 1ms }
      - { url: https://two.example, proxy: "\${PROXY}", max_idle: -1, usher: maybe, http2: 2 }
listeners: [{ name: l, pool: p }]
`,
    { env: { PROXY: "socks5://me:hun/ter@3@x/y" } },
  );
  assert.deepEqual(
    problems.map((problem) => problem.split(": ")[0]).sort(),
    [
      "5:44 pools.p.upstreams[0].proxy",
      "5:81 pools.p.upstreams[0].allow_private",
      "5:102 pools.p.upstreams[0].idle_timeout",
      "6:44 pools.p.upstreams[1].proxy",
      "6:66 pools.p.upstreams[1].max_idle",
      "6:77 pools.p.upstreams[1].usher",
      "6:91 pools.p.upstreams[1].http2",
    ].sort(),
  );
  assert.doesNotMatch(problems.join("\n"), /hun|ter@/);
});
