import assert from "node:assert/strict";
import { configOf, problemsOf } from "./load_text.ts";

Deno.test("upstreamsOf() says what each key means, a password from the environment included", async () => {
  const config = await configOf(
    `
pools:
  p:
    type: custom
    upstreams:
      - { url: https://one.example, proxy: "http://me:\${PASSWORD}@proxy.example:3128", allow_private: true, usher: true,
          max_idle: 0, idle_timeout: 5s, weight: 2.5, host: b.example, resolve: "::1", max_connections: 7,
          max_in_flight: 8, max_rps: 1.5 }
      - { url: https://two.example, http2: true, backup: true }
listeners: [{ name: l, pool: p }]
`,
    { env: { PASSWORD: "p%2Fw" } },
  );
  const [one, two] = config.pools[0]!.upstreams;
  assert.equal(one!.proxy, "http://me:p%2Fw@proxy.example:3128");
  assert.deepEqual([one!.allowPrivate, one!.usher, one!.http2], [true, true, false]);
  assert.deepEqual([one!.maxIdle, one!.idleTimeoutMs], [0, 5000]);
  assert.deepEqual([one!.weight, one!.host, one!.resolve, one!.maxConnections], [2.5, "b.example", "::1", 7]);
  assert.deepEqual([one!.maxInFlight, one!.maxPerSecond, one!.backup, two!.backup], [8, 1.5, false, true]);
  assert.deepEqual([two!.maxInFlight, two!.maxPerSecond, two!.host, two!.resolve], [null, null, null, null]);
  assert.deepEqual([two!.proxy, two!.http2, two!.maxIdle, two!.idleTimeoutMs], [null, true, null, 55_000]);
});

Deno.test("upstreamIds() is the URL, and tells apart how one is reached that a pool has twice, without credentials", async () => {
  const url = "https://one.example";
  const upstreams = [
    { url },
    { url, proxy: "socks5://me:hunter2@p.example" },
    { url, resolve: "192.0.2.1", host: "b.example" },
    { url: "https://two.example", proxy: "http://p.example:1" },
  ];
  const config = await configOf(JSON.stringify({
    pools: { p: { type: "custom", upstreams } },
    listeners: [{ name: "l", pool: "p" }],
  }));
  assert.deepEqual(config.pools[0]!.upstreams.map(({ id }) => id), [
    url,
    `${url} via socks5://p.example:1080`,
    `${url} as b.example at 192.0.2.1`,
    "https://two.example",
  ]);
});

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

/** Problems of a file whose one upstream has these keys. */
function problemsWith(upstream: string, pool = ""): Promise<string[]> {
  return problemsOf(`listeners: [{ name: a, pool: a }]
pools:
  a:
    type: custom
    ${pool}
    upstreams:
      - { ${upstream} }
`);
}

Deno.test("checkUpstreams() refuses beside http2 what its client cannot do", async () => {
  for (const key of ["proxy: http://x:1", "resolve: 192.0.2.1", "host: b.example", "max_idle: 1"]) {
    const lines = await problemsWith(`url: https://a.example, http2: true, ${key}`);
    const name = key.split(":")[0];
    assert.equal(lines.length, 1, key);
    assert.ok(lines[0]!.includes(`upstreams[0].${name}: found ${name} together with http2: true`), lines[0]);
  }
  assert.match(
    (await problemsWith("url: http://a.example, http2: true"))[0] ?? "",
    /http2.*expected an https upstream/,
  );
  assert.deepEqual(await problemsWith("url: https://a.example, http2: true, allow_private: true"), []);
});

Deno.test("checkUpstreams() refuses preserve_host where the client's Host would be lost", async () => {
  const keep = "preserve_host: true";
  assert.match((await problemsWith("url: https://a.example, http2: true", keep))[0] ?? "", /preserve_host/);
  assert.match((await problemsWith("url: http://a.example, proxy: http://x:1", keep))[0] ?? "", /preserve_host/);
  for (
    const fine of [
      "url: http://a.example, proxy: socks5://x:1",
      "url: https://a.example, proxy: http://x:1",
      "url: http://a.example, proxy: http://x:1, host: b.example",
      "url: http://a.example",
    ]
  ) assert.deepEqual(await problemsWith(fine, keep), [], fine);
});
