import assert from "node:assert/strict";
import { configOf, problemsOf } from "./load_text.ts";

const POOLS = "pools: { a: { type: custom, upstreams: [https://one.example] } }\nlisteners:\n";

/** Problems of a file whose listeners, from line 3 on, have these keys beside name, pool and a prefix of their own. */
function said(listeners: readonly string[], server = ""): Promise<string[]> {
  const lines = listeners.map((keys, index) => `  - { name: l${index}, pool: a, prefix: /${index}, ${keys} }\n`);
  return problemsOf(POOLS + lines.join("") + (server === "" ? "" : `server: { ${server} }\n`));
}

const TRUSTED = "trusted_proxies: [10.0.0.0/8]";

Deno.test("validateAddresses() lets listeners share a unix socket by whatever path, and wants one mode of them", async () => {
  const one = "listen: { unix: /etc/usher/a.sock }";
  assert.deepEqual(await said([one, "listen: { unix: a.sock }", 'listen: { unix: ./b/../a.sock, mode: "660" }']), []);
  assert.deepEqual(await said([one, 'listen: { unix: b.sock, mode: "0600" }']), []);
  assert.deepEqual(await said([one, "listen: { unix: a.sock, mode: 0600 }"]), [
    '4:68 listeners[1].listen.mode: found "0600" expected "0660", as listeners[0] in line 3 says of the same address',
  ]);
  assert.deepEqual(await said(["listen: { unix: a.sock, mode: 0600 }", one]), [
    '4:38 listeners[1].listen.mode: found nothing expected "0600", as listeners[0] in line 3 says of the same address',
  ]);
});

Deno.test("validateAddresses() keeps claims apart by socket: the same path in another form is the same address", async () => {
  const listener = (name: string, path: string) => `  - { name: ${name}, pool: a, listen: { unix: ${path} } }\n`;
  assert.match(
    (await problemsOf(POOLS + listener("x", "a.sock") + listener("y", "/etc/usher/a.sock")))[0] ?? "",
    /^4:5 listeners\[1\]\.prefix: found nothing expected a prefix that no other listener has/,
  );
  assert.deepEqual(await problemsOf(POOLS + listener("x", "a.sock") + listener("y", "b.sock")), []);
});

Deno.test("validateAddresses() wants port 0 to have one worker, and has nothing against a socket", async () => {
  assert.match((await said(['listen: "127.0.0.1:0"']))[0] ?? "", /listeners\[0\]\.listen: .*`server\.workers: 1` only/);
  assert.deepEqual(await said(['listen: "127.0.0.1:0"'], "workers: 1"), []);
  assert.deepEqual(await said(["listen: { unix: a.sock }"]), []);
});

Deno.test("validateAddresses() goes on finding overlapping ports beside sockets", async () => {
  const lines = await said(["listen: { unix: a.sock }", 'listen: ":80"', 'listen: { address: "127.0.0.1:80" }']);
  assert.equal(lines.length, 1);
  assert.match(
    lines[0] ?? "",
    /^5:\d+ listeners\[2\]\.listen: found a mapping expected an address that does not overlap/,
  );
});

Deno.test("validateAddresses() wants PROXY headers to come from trusted proxies, except on a unix socket", async () => {
  const refused =
    "found true expected false, or the addresses of those who send the header in server.trusted_proxies, " +
    "which is empty";
  assert.deepEqual(await said(["proxy_protocol: true"]), [`3:54 listeners[0].proxy_protocol: ${refused}`]);
  assert.deepEqual(await said(["proxy_protocol: true"], TRUSTED), []);
  assert.deepEqual(await said(["proxy_protocol: true, listen: { unix: a.sock }"]), []);
  const wrong = await said(["proxy_protocol: true"], "trusted_proxies: [10.0.0.1/8]");
  assert.deepEqual(wrong.map((line) => line.split(": ")[0]), ["4:29 server.trusted_proxies[0]"]);
});

Deno.test("validateAddresses() wants all listeners of an address to say the same of PROXY headers", async () => {
  const on = "proxy_protocol: true";
  assert.deepEqual(await said([on, "host: b.example"], TRUSTED), [
    "4:5 listeners[1].proxy_protocol: found nothing expected true, as listeners[0] in line 3 says of the same address",
  ]);
  assert.deepEqual(await said(["proxy_protocol: false", on, 'listen: ":1"'], TRUSTED), [
    "4:54 listeners[1].proxy_protocol: found true expected false, as listeners[0] in line 3 says of the same address",
  ]);
  assert.deepEqual(await said([on, 'listen: ":1"', on], TRUSTED), []);
  assert.match((await said(["proxy_protocl: true"]))[0] ?? "", /did you mean "proxy_protocol"\?$/);
  assert.match(
    (await said(["proxy_protocol: maybe"]))[0] ?? "",
    /^3:54 listeners\[0\]\.proxy_protocol: .*true or false/,
  );
});

Deno.test("validateAddresses() does not take a socket of the admin's name for its port", async () => {
  const config = await configOf(`${POOLS}  - { name: a, pool: a, listen: { unix: "127.0.0.1:6636" } }\n`);
  assert.deepEqual(config.listeners[0]?.listen, { path: "/etc/usher/127.0.0.1:6636", mode: 0o660 });
});
