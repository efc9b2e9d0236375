import assert from "node:assert/strict";
import { differenceInWords } from "../../lib/config/difference.ts";
import { shownValues } from "../../lib/config/shown_values.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { madeAuthority } from "../certificates/made.ts";
import { loadText } from "./load_text.ts";

const made = await (await madeAuthority()).leaf(["api.example", "image.example"]);
const files = { "/etc/usher/cert.pem": made.cert, "/etc/usher/key.pem": made.key };
const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

/** A file whose listeners serve two hosts with TLS, with what a test says of forward proxies, and of the upstream. */
function fileWith(proxies: string, upstream = "https://one.example"): string {
  return `pools:
  a: { type: custom, upstreams: [${upstream}] }
listeners:
  - { name: api, listen: "127.0.0.1:6643", host: [api.example, "*.many.example"], pool: a, tls: [{ cert: cert.pem, key: key.pem }] }
  - { name: plain, listen: "127.0.0.1:6635", pool: a }
forward_proxies: ${proxies}
`;
}

async function said(proxies: string, upstream?: string): Promise<string[]> {
  const loaded = await loadText(fileWith(proxies, upstream), { files });
  return (loaded.ok ? loaded.warnings : loaded.problems).map(formatLocated);
}

Deno.test("a forward proxy refuses other hosts, and has limits and private clients by default", async () => {
  const loaded = await loadText(fileWith('[{ name: way, listen: ":6637", hosts: API.example }]'), { files });
  assert.ok(loaded.ok);
  const [proxy] = loaded.config.forwardProxies;
  assert.deepEqual({ ...proxy, allowClients: proxy!.allowClients.length > 5 }, {
    ...{ name: "way", listen: { hostname: "0.0.0.0", port: 6637 }, hosts: ["api.example"], others: [] },
    ...{ allowClients: true, tokenHash: null, maxTunnels: 200, connectMs: 10_000, idleMs: 300_000 },
  });
  assert.deepEqual(loaded.listening.map(({ path }) => path), [
    "admin.listen",
    "listeners[0].listen",
    "listeners[1].listen",
    "forward_proxies[0].listen",
  ]);
});

Deno.test("others: refuse, tunnel, or hosts", async () => {
  for (
    const [written, meant] of [
      ["refuse", []],
      ["tunnel", ["*"]],
      ["[a.example, '*.b.example']", ["a.example", "*.b.example"]],
    ] as const
  ) {
    const proxies = `[{ name: way, listen: ":6637", hosts: [api.example, x.many.example], others: ${written} }]`;
    const loaded = await loadText(fileWith(proxies), { files });
    assert.ok(loaded.ok, written);
    assert.deepEqual(loaded.config.forwardProxies[0]!.others, meant);
  }
});

Deno.test("what is wrong with a forward proxy is said with its place", async () => {
  const wrong: ReadonlyArray<readonly [proxies: string, message: RegExp, upstream?: string]> = [
    [
      '[{ name: way, listen: ":6637", hosts: [other.example] }]',
      /hosts: found other\.example expected hosts that a listener with `tls`/,
    ],
    ['[{ name: way, listen: ":6637", hosts: [] }]', /hosts: .* expected at least one host/],
    ['[{ name: way, listen: ":6637" }]', /hosts: found nothing/],
    ['[{ name: api, listen: ":6637", hosts: api.example }]', /name: found "api" expected a name of its own/],
    ['[{ name: way, listen: "127.0.0.1:6635", hosts: api.example }]', /listen: .* expected an address of its own/],
    ['[{ name: way, listen: ":6635", hosts: api.example }]', /listen: .* expected an address that does not overlap/],
    ['[{ name: way, listen: "127.0.0.1:6636", hosts: api.example }]', /expected an address that is not the admin one/],
    [
      '[{ name: way, listen: ":6637", hosts: api.example, others: allow all }]',
      /expected refuse, tunnel, or a list of host names/,
    ],
    [
      '[{ name: way, listen: ":6637", hosts: api.example, token: secret }]',
      /token: found .* expected a token of 16 to 256/,
    ],
    ['[{ name: way, listen: ":6637", hosts: api.example, allow_clients: 10.0.0.1/8 }]', /expected a CIDR block/],
    [
      '[{ name: way, listen: ":6637", hosts: api.example }]',
      /upstreams\[0\]\.proxy: found .* expected another proxy than one of this gateway's own/,
      '{ url: "https://one.example", proxy: "http://localhost:6637" }',
    ],
  ];
  for (const [proxies, message, upstream] of wrong) {
    const lines = await said(proxies, upstream);
    assert.ok(lines.some((line) => message.test(line)), `${proxies}: ${lines.join("\n")}`);
    assert.ok(!lines.join().includes('found "secret"'));
  }
});

Deno.test("a token is not shown, and what a reload changes is said", async () => {
  const [before, after] = await Promise.all(
    ["", `, others: tunnel, token: ${TOKEN}`].map((more) =>
      loadText(fileWith(`[{ name: way, listen: ":6637", hosts: api.example${more} }]`), { files })
    ),
  );
  assert.ok(before?.ok && after?.ok);
  const lines = differenceInWords(before.values, after.values);
  assert.equal(lines.length, 2, lines.join("\n"));
  assert.ok(lines.every((line) => line.startsWith('forward proxy "way": ')), lines.join("\n"));
  for (const shown of [lines.join(), JSON.stringify(shownValues(after.values)), JSON.stringify(after.config)]) {
    assert.ok(!shown.includes(TOKEN));
  }
});
