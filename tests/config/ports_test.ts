import assert from "node:assert/strict";
import { formatLocated } from "../../lib/config/located.ts";
import { portsInUse } from "../../lib/config/ports.ts";
import { loadText, SOUND } from "./load_text.ts";

/** The addresses of a file, each with its place. */
async function placesOf(text: string) {
  const result = await loadText(text);
  assert.ok(result.ok);
  return result.listening;
}

Deno.test("listeningPlaces() gives every address once, with its place", async () => {
  const places = await placesOf(`admin: { listen: "[::1]:1" }
pools: { a: { type: custom, upstreams: [https://one.example] } }
listeners:
  - { name: a, pool: a }
  - { name: b, pool: a, prefix: /b, listen: "0.0.0.0:6635" }
  - { name: c, pool: a, listen: "127.0.0.1:2" }
`);
  assert.deepEqual(places.map(({ address, line, path, found }) => [address.port, line, path, found]), [
    [1, 1, "admin.listen", '"[::1]:1"'],
    [6635, 4, "listeners[0].listen", "0.0.0.0:6635 (the default)"],
    [2, 6, "listeners[2].listen", '"127.0.0.1:2"'],
  ]);
});

Deno.test("portsInUse() finds a port that another holds, with or without reusePort", async () => {
  for (const reusePort of [false, true]) {
    using held = Deno.listen({ hostname: "127.0.0.1", port: 0, reusePort });
    using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const freePort = free.addr.port;
    free.close();
    const text = `admin: { listen: "127.0.0.1:${freePort}" }` +
      SOUND.replace("name: a,", `name: a, listen: "127.0.0.1:${held.addr.port}",`);
    const places = await placesOf(text);
    assert.deepEqual(portsInUse(places).map(formatLocated), [
      `config.yaml:5:24 listeners[0].listen: found "127.0.0.1:${held.addr.port}" expected a free port: another process listens on it`,
    ]);
    assert.deepEqual(portsInUse(places, [{ hostname: "127.0.0.1", port: held.addr.port }]), []);
  }
});

Deno.test("portsInUse() finds an address that is not this machine's", async () => {
  const places = await placesOf(SOUND.replace("name: a,", 'name: a, listen: "192.0.2.1:6635",'));
  const problems = portsInUse(places, [{ hostname: "127.0.0.1", port: 6636 }]);
  assert.match(problems[0]?.message ?? "", /^found "192\.0\.2\.1:6635" expected an address of this machine$/);
});
