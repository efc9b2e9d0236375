import assert from "node:assert/strict";
import { problemsOf } from "./load_text.ts";

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

Deno.test("validateConnections() refuses beside http2 what its client cannot do", async () => {
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

Deno.test("validateConnections() refuses preserve_host where the client's Host would be lost", async () => {
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
