import assert from "node:assert/strict";
import { configOf, problemsOf, SOUND, type Surroundings, warningsOf } from "./load_text.ts";

Deno.test("listenerOf() says what each key means", async () => {
  const [listener] = (await configOf(`
pools: { p: { type: custom, upstreams: [https://one.example] } }
server: { trusted_proxies: [10.0.0.0/8] }
listeners:
  - name: l
    listen: 127.0.0.1:2
    proxy_protocol: true
    redirect_to_https: true
    max_request_body: 2MB
    forward_fields: [X-Forwarded-Scheme, front-end-https, x-forwarded-scheme]
    host: ["*.a.example", "*.A.example"]
    prefix: /x/
    strip_prefix: true
    pool: p
    offline: auto
    redirects: keep
    trace_context: any
`)).listeners;
  const { cache: _, limits: __, images: ___, prewarm: ____, ...rest } = listener!;
  assert.deepEqual(rest, {
    ...{ name: "l", listen: { hostname: "127.0.0.1", port: 2 }, proxyProtocol: true, tls: null, redirectToHttps: true },
    ...{ maxRequestBodyBytes: 2_000_000, forwardFields: ["front-end-https", "x-forwarded-scheme"] },
    ...{ hosts: ["*.a.example"], prefix: "/x", stripPrefix: true, pool: "p", auth: null, cors: null, offline: "auto" },
    ...{
      publicUrl: null,
      rewriteImageBase: true,
      fillLanguages: [],
      fillWaitMs: 3_000,
      overrides: [],
      rules: [],
      redirects: "keep",
    },
    ...{ traceTrust: "any", serverTiming: "off" },
  });
});

Deno.test("listenerOf() goes by the server where a listener does not say how large a request may be", async () => {
  const { listeners } = await configOf(`server: { max_request_body: 1MB }${SOUND}`);
  assert.equal(listeners[0]!.maxRequestBodyBytes, 1_000_000);
});

/** A file with one listener that has these keys. */
function withListener(keys: string): string {
  return `pools: { a: { type: custom, upstreams: [https://one.example] } }
listeners: [{ name: a, pool: a, ${keys} }]
`;
}

async function listenOf(listen: string, around?: Surroundings) {
  return (await configOf(withListener(`listen: ${listen}`), around)).listeners[0]!.listen;
}

Deno.test("listen is an address with a port, short or long, or a unix socket", async () => {
  const address = { hostname: "127.0.0.1", port: 1 };
  assert.deepEqual(await listenOf('"127.0.0.1:1"'), address);
  assert.deepEqual(await listenOf('{ address: "127.0.0.1:1" }'), address);
  const env = { LISTEN: "127.0.0.1:1", SOCKET: "b.sock" };
  assert.deepEqual(await listenOf('"${LISTEN}"', { env }), address);
  assert.deepEqual(await listenOf("{ unix: /run/a.sock }"), { path: "/run/a.sock", mode: 0o660 });
  assert.deepEqual(await listenOf('{ unix: "../${SOCKET}", mode: "0600" }', { env }), {
    path: "/etc/b.sock",
    mode: 0o600,
  });
});

Deno.test("listen.mode reads its digits as octal however they are written", async () => {
  for (const mode of ["0640", "640", "0o640", '"0640"', '"640"', '"0o640"', "'0640'", "00640".slice(1)]) {
    assert.deepEqual(await listenOf(`{ unix: /a, mode: ${mode} }`), { path: "/a", mode: 0o640 }, mode);
  }
  assert.deepEqual(await listenOf('{ unix: /a, mode: "${MODE}" }', { env: { MODE: "0640" } }), {
    path: "/a",
    mode: 0o640,
  });
  const anchored = `pools: { a: { type: custom, upstreams: [https://one.example] } }
listeners:
  - { name: a, pool: a, listen: &socket { unix: /a, mode: 0600 } }
  - { name: b, pool: a, prefix: /b, listen: *socket }
  - { name: c, pool: a, prefix: /c, listen: { <<: *socket } }
`;
  for (const { listen } of (await configOf(anchored)).listeners) assert.deepEqual(listen, { path: "/a", mode: 0o600 });
});

Deno.test("listen.mode refuses what is no mode, where it stands and as it is written", async () => {
  for (const mode of ["0680", "0698", "66", "01777", "4755", "0x1b0", "6.6e2", "rw", "true", "-660", "[6]"]) {
    const [line, ...others] = await problemsOf(withListener(`listen: { unix: /a, mode: ${mode} }`));
    const shown = mode === "true" ? mode : mode === "[6]" ? "a list" : `"${mode}"`;
    assert.equal(
      line,
      `2:59 listeners[0].listen.mode: found ${shown} expected a file mode of octal digits, such as "0660"`,
    );
    assert.deepEqual(others, []);
  }
});

Deno.test("listen says what is wrong with it, in terms of the file", async () => {
  const cases: readonly (readonly [listen: string, line: RegExp])[] = [
    ["6635", /^2:41 listeners\[0\]\.listen: found 6635 expected an address with a port, such as 0\.0\.0\.0:6635/],
    ['"x"', /^2:41 listeners\[0\]\.listen: found "x" expected an address with a port/],
    ["[]", /^2:41 listeners\[0\]\.listen: found a list expected a mapping with address, unix, mode$/],
    ["{ adress: ':1' }", /^2:43 listeners\[0\]\.listen\.adress: found unknown key .*did you mean "address"\?$/],
    ["{ unix: 5 }", /^2:49 listeners\[0\]\.listen\.unix: found 5 expected a path/],
    ["{}", /^2:41 listeners\[0\]\.listen: found neither address nor unix expected one of them$/],
    ["{ mode: 0660 }", /^2:41 listeners\[0\]\.listen: found neither address nor unix expected one of them$/],
    ["{ address: ':1', unix: /a }", /^2:41 listeners\[0\]\.listen: found address together with unix expected one/],
    [
      "{ address: ':1', mode: 0660 }",
      /^2:58 listeners\[0\]\.listen\.mode: found mode expected none beside address: only a unix socket is a file$/,
    ],
    [
      `{ unix: /${"a".repeat(103)} }`,
      /^2:49 listeners\[0\]\.listen\.unix: found "\/a+…" expected a path of at most 103 bytes, as an absolute one$/,
    ],
    [`{ unix: ${"é".repeat(50)} }`, /listen\.unix: .* at most 103 bytes/],
  ];
  for (const [listen, expected] of cases) {
    const lines = await problemsOf(withListener(`listen: ${listen}`));
    assert.equal(lines.length, 1, `${listen}: ${lines.join("\n")}`);
    assert.match(lines[0] ?? "", expected);
  }
  assert.deepEqual(await problemsOf(withListener(`listen: { unix: /${"a".repeat(102)} }`)), []);
});

Deno.test("max_request_body of a listener is the server's unless it has its own", async () => {
  const bytesOf = async (text: string) => (await configOf(text)).listeners[0]!.maxRequestBodyBytes;
  assert.equal(await bytesOf(withListener("")), 100 * 1024 ** 2);
  assert.equal(await bytesOf(`server: { max_request_body: 1MiB }\n${withListener("")}`), 1024 ** 2);
  assert.equal(await bytesOf(`server: { max_request_body: 1MiB }\n${withListener("max_request_body: 2GiB")}`), 2 ** 31);
  assert.equal(await bytesOf(withListener("max_request_body: 0")), 0);
  assert.match(
    (await problemsOf(withListener("max_request_body: -1")))[0] ?? "",
    /^2:51 listeners\[0\]\.max_request_body: found -1 expected a size/,
  );
  assert.match(
    (await problemsOf(withListener("max_request_bdy: 1")))[0] ?? "",
    /^2:33 listeners\[0\]\.max_request_bdy: .*did you mean "max_request_body"\?$/,
  );
});

Deno.test("forward_fields of a listener are fields that speak for a proxy, and not those that the gateway writes", async () => {
  const of = async (text: string) => (await configOf(withListener(text))).listeners[0]!.forwardFields;
  assert.deepEqual(await of(""), []);
  assert.deepEqual(await of("forward_fields: [X-Url-Scheme, X-Forwarded-Ssl, x-url-scheme]"), [
    "x-forwarded-ssl",
    "x-url-scheme",
  ]);
  for (const name of ["x-forwarded-for", "Forwarded", "X-Forwarded-Proto", "accept", "x-forward ed", '""', "7"]) {
    assert.match(
      (await problemsOf(withListener(`forward_fields: [${name}]`)))[0] ?? "",
      /forward_fields\[0\]: found .* expected a field that speaks for a proxy/,
      name,
    );
  }
});

const ONE_POOL = "pools: { a: { type: custom, upstreams: [https://one.example] } }\nlisteners:\n";

/** Problems of a file whose listeners, from line 3 on, have these keys beside name, pool and a prefix of their own. */
function saidOf(listeners: readonly string[], server = ""): Promise<string[]> {
  const lines = listeners.map((keys, index) => `  - { name: l${index}, pool: a, prefix: /${index}, ${keys} }\n`);
  return problemsOf(ONE_POOL + lines.join("") + (server === "" ? "" : `server: { ${server} }\n`));
}

const TRUSTED = "trusted_proxies: [10.0.0.0/8]";

Deno.test("checkAddresses() lets listeners share a unix socket by whatever path, and wants one mode of them", async () => {
  const one = "listen: { unix: /etc/usher/a.sock }";
  assert.deepEqual(await saidOf([one, "listen: { unix: a.sock }", 'listen: { unix: ./b/../a.sock, mode: "660" }']), []);
  assert.deepEqual(await saidOf([one, 'listen: { unix: b.sock, mode: "0600" }']), []);
  assert.deepEqual(await saidOf([one, "listen: { unix: a.sock, mode: 0600 }"]), [
    '4:68 listeners[1].listen.mode: found "0600" expected "0660", as listeners[0] in line 3 says of the same address',
  ]);
  assert.deepEqual(await saidOf(["listen: { unix: a.sock, mode: 0600 }", one]), [
    '4:38 listeners[1].listen.mode: found nothing expected "0600", as listeners[0] in line 3 says of the same address',
  ]);
});

Deno.test("checkAddresses() keeps claims apart by socket: the same path in another form is the same address", async () => {
  const listener = (name: string, path: string) => `  - { name: ${name}, pool: a, listen: { unix: ${path} } }\n`;
  assert.match(
    (await problemsOf(ONE_POOL + listener("x", "a.sock") + listener("y", "/etc/usher/a.sock")))[0] ?? "",
    /^4:5 listeners\[1\]\.prefix: found nothing expected a prefix that no other listener has/,
  );
  assert.deepEqual(await problemsOf(ONE_POOL + listener("x", "a.sock") + listener("y", "b.sock")), []);
});

Deno.test("checkAddresses() wants port 0 to have one worker, and has nothing against a socket", async () => {
  assert.match(
    (await saidOf(['listen: "127.0.0.1:0"']))[0] ?? "",
    /listeners\[0\]\.listen: .*`server\.workers: 1` only/,
  );
  assert.deepEqual(await saidOf(['listen: "127.0.0.1:0"'], "workers: 1"), []);
  assert.deepEqual(await saidOf(["listen: { unix: a.sock }"]), []);
});

Deno.test("checkAddresses() goes on finding overlapping ports beside sockets", async () => {
  const lines = await saidOf(["listen: { unix: a.sock }", 'listen: ":80"', 'listen: { address: "127.0.0.1:80" }']);
  assert.equal(lines.length, 1);
  assert.match(
    lines[0] ?? "",
    /^5:\d+ listeners\[2\]\.listen: found a mapping expected an address that does not overlap/,
  );
});

Deno.test("checkAddresses() wants PROXY headers to come from trusted proxies, except on a unix socket", async () => {
  const refused =
    "found true expected false, or the addresses of those who send the header in server.trusted_proxies, " +
    "which is empty";
  assert.deepEqual(await saidOf(["proxy_protocol: true"]), [`3:54 listeners[0].proxy_protocol: ${refused}`]);
  assert.deepEqual(await saidOf(["proxy_protocol: true"], TRUSTED), []);
  assert.deepEqual(await saidOf(["proxy_protocol: true, listen: { unix: a.sock }"]), []);
  const wrong = await saidOf(["proxy_protocol: true"], "trusted_proxies: [10.0.0.1/8]");
  assert.deepEqual(wrong.map((line) => line.split(": ")[0]), ["4:29 server.trusted_proxies[0]"]);
});

Deno.test("checkAddresses() wants all listeners of an address to say the same of PROXY headers", async () => {
  const on = "proxy_protocol: true";
  assert.deepEqual(await saidOf([on, "host: b.example"], TRUSTED), [
    "4:5 listeners[1].proxy_protocol: found nothing expected true, as listeners[0] in line 3 says of the same address",
  ]);
  assert.deepEqual(await saidOf(["proxy_protocol: false", on, 'listen: ":1"'], TRUSTED), [
    "4:54 listeners[1].proxy_protocol: found true expected false, as listeners[0] in line 3 says of the same address",
  ]);
  assert.deepEqual(await saidOf([on, 'listen: ":1"', on], TRUSTED), []);
  assert.match((await saidOf(["proxy_protocl: true"]))[0] ?? "", /did you mean "proxy_protocol"\?$/);
  assert.match(
    (await saidOf(["proxy_protocol: maybe"]))[0] ?? "",
    /^3:54 listeners\[0\]\.proxy_protocol: .*true or false/,
  );
});

Deno.test("checkAddresses() does not take a socket of the admin's name for its port", async () => {
  const config = await configOf(`${ONE_POOL}  - { name: a, pool: a, listen: { unix: "127.0.0.1:6636" } }\n`);
  assert.deepEqual(config.listeners[0]?.listen, { path: "/etc/usher/127.0.0.1:6636", mode: 0o660 });
});

Deno.test("checkAddresses() allows port 0 with one worker only", async () => {
  const text = SOUND.replace("name: a,", 'name: a, listen: "127.0.0.1:0",');
  assert.match(
    (await problemsOf(text))[0] ?? "",
    /^5:24 listeners\[0\]\.listen: found "127\.0\.0\.1:0" expected a port/,
  );
  assert.deepEqual(await problemsOf(`server: { workers: 1 }${text}`), []);
});

const POOLS = "pools: { tmdb: { type: custom, upstreams: [https://one.example] } }\nlisteners:\n";

/** What is said of these listeners; the first is in line 3. */
function said(...listeners: string[]): Promise<string[]> {
  return problemsOf(POOLS + listeners.map((listener) => `  - { pool: tmdb, ${listener} }\n`).join(""));
}

Deno.test("checkListeners() wants names of their own", async () => {
  assert.deepEqual(await said("name: a, prefix: /a", "name: a, prefix: /b"), [
    '4:25 listeners[1].name: found "a" expected a name of its own (listeners[0] in line 3 has it too)',
  ]);
});

Deno.test("checkListeners() names the nearest pool", async () => {
  const lines = await problemsOf(POOLS + "  - { name: a, pool: tmbd }\n");
  assert.deepEqual(lines, [
    '3:22 listeners[0].pool: found "tmbd" expected the name of a pool: tmdb; did you mean "tmdb"?',
  ]);
  assert.match((await problemsOf(POOLS + "  - { name: a, pool: constructor }\n"))[0] ?? "", /the name of a pool/);
});

Deno.test("checkListeners() does not call a pool unknown that has mistakes of its own", async () => {
  const lines = await problemsOf("pools: { a: { type: x } }\nlisteners: [{ name: a, pool: a }]\n");
  assert.deepEqual(lines.map((line) => line.split(":")[1]?.split(" ")[1]), ["pools.a.upstreams", "pools.a.type"]);
  assert.equal((await problemsOf("pools: 5\nlisteners: [{ name: a, pool: a }]\n")).length, 1);
});

Deno.test("checkListeners() refuses two claims to one address, host and prefix", async () => {
  const expected =
    /^4:\d+ listeners\[1\]\.prefix: found .* expected a prefix that no other listener has .*\(listeners\[0\] in line 3 has it\)$/;
  const clashes: ReadonlyArray<readonly [string, string]> = [
    ["prefix: /a", "prefix: /a/"],
    ["prefix: /", "strip_prefix: false"],
    ["prefix: /a/b", 'prefix: "/%61%2fb"'],
    ["host: A.example", "host: [b.example, a.example]"],
    ['listen: ":6635"', 'listen: "0.0.0.0:6635"'],
  ];
  for (const [first, second] of clashes) {
    const lines = await said(`name: a, ${first}`, `name: b, ${second}`);
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0] ?? "", expected);
  }
  const apart: ReadonlyArray<readonly [string, string]> = [
    ["prefix: /a", "prefix: /a/b"],
    ["prefix: /a", "prefix: /A"],
    ["host: a.example", "host: '*.example'"],
    ["host: a.example", "strip_prefix: true"],
    ['listen: "127.0.0.1:1"', 'listen: "127.0.0.1:2"'],
    ['listen: "127.0.0.1:1"', 'listen: "127.0.0.2:1"'],
  ];
  for (const [first, second] of apart) assert.deepEqual(await said(`name: a, ${first}`, `name: b, ${second}`), []);
});

Deno.test("checkListeners() does not build on values that are wrong themselves", async () => {
  assert.equal((await said("name: a, prefix: 3", "name: b")).length, 1);
  assert.equal((await said("name: a, prefx: /3", "name: b")).length, 1);
  assert.equal((await said('name: a, listen: "x"', "name: b")).length, 1);
});

Deno.test("checkListeners() refuses addresses that cover each other, once for each", async () => {
  const lines = await said(
    "name: a",
    'name: b, listen: "127.0.0.1:6635"',
    'name: c, prefix: /c, listen: "127.0.0.1:6635"',
    'name: d, listen: "[::1]:6635"',
  );
  assert.equal(lines.length, 1);
  assert.match(
    lines[0] ?? "",
    /^4:\d+ listeners\[1\]\.listen: found "127\.0\.0\.1:6635" expected an address that does not overlap with listeners\[0\]\.listen in line 3; 0\.0\.0\.0 and \[::\] cover/,
  );
});

Deno.test("checkListeners() keeps the admin address apart", async () => {
  assert.match((await said('name: a, listen: "127.0.0.1:6636"'))[0] ?? "", /^3:\d+ listeners\[0\]\.listen: .*admin/);
  assert.match((await said('name: a, listen: ":6636"'))[0] ?? "", /^3:\d+ listeners\[0\]\.listen: .*admin/);
  const lines = await problemsOf(`admin: { listen: "127.0.0.1:6635" }\n${POOLS}  - { name: a, pool: tmdb }\n`);
  assert.match(
    lines[0] ?? "",
    /^1:18 admin\.listen: found "127\.0\.0\.1:6635" expected an address of its own \(listeners\[0\]\.listen in line 4/,
  );
});

Deno.test("checkListeners() wants min_ttl to be at most max_ttl", async () => {
  assert.deepEqual(
    await said("name: a, cache: { rules: [{ min_ttl: 1m, max_ttl: 1m }, { min_ttl: 2m, max_ttl: 1m }] }"),
    [
      '3:86 listeners[0].cache.rules[1].min_ttl: found "2m" expected at most max_ttl ("1m")',
    ],
  );
});

Deno.test("checkListeners() warns of a disk quota that cannot matter", async () => {
  const warned = (disk: string) =>
    warningsOf(`cache: { disk: ${disk} }\n${POOLS}  - { name: a, pool: tmdb, cache: { disk_quota: 2MiB } }\n`);
  assert.match((await warned("1MiB"))[0] ?? "", /listeners\[0\]\.cache\.disk_quota: it has no effect: it is larger/);
  assert.match((await warned("0"))[0] ?? "", /listeners\[0\]\.cache\.disk_quota: it has no effect: .*off/);
  assert.deepEqual(await warned("2MiB"), []);
});
