import assert from "node:assert/strict";
import { fileMode } from "../../lib/config/listen_sections.ts";
import { Interpolated } from "../../lib/config/yaml/interpolate.ts";
import { configOf, problemsOf, type Surroundings } from "./load_text.ts";

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

Deno.test("fileMode() reads what comes from outside as text", () => {
  const schema = fileMode();
  const outside = new Interpolated("0660", [{ kind: "env", name: "MODE", fallback: null }]);
  assert.equal(schema.parse(outside), 0o660);
  assert.equal(schema.safeParse(null).success, false);
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
