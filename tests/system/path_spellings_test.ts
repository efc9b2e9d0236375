import assert from "node:assert/strict";
import { carelessReadings, pathSpellings } from "../http/path_spellings.ts";
import { rawRequest, textOf } from "./_raw_client.ts";
import { startScriptedGateway } from "./_scripted_gateway.ts";

const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";
const auth = { tokens: { kodi: TOKEN }, query: ["api_key"] };

/** Open and closed listeners over one upstream, by the host that they are reached at; and a path that anybody may read. */
const MATRIX: Readonly<Record<string, { listeners: readonly Record<string, unknown>[]; open: string }>> = {
  "gateway.test": {
    listeners: [{ prefix: "/" }, { prefix: "/private", auth }],
    open: "/%61bc//d;e",
  },
  "closed.test": {
    listeners: [{ prefix: "/", auth }, { prefix: "/a" }],
    open: "/a/b//c",
  },
  "nested.test": {
    listeners: [{ prefix: "/", auth }, { prefix: "/private/open" }, { prefix: "/a" }, { prefix: "/private", auth }],
    open: "/private/open/%62",
  },
  "cached.test": {
    listeners: [{ prefix: "/", cache: { mode: "ttl", rules: [{ ttl: "1h" }] } }, { prefix: "/private", auth }],
    open: "/b",
  },
};

Deno.test("no spelling of a closed listener's path is answered through an open one, whoever reads it carelessly", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, origin } = await startScriptedGateway(
    stack,
    // It reads a path in every way that some server does.
    async (exchange) => {
      const isClosed = [...carelessReadings(exchange.head.target)].some((path) => /^\/private\/+x$/.test(path));
      await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: isClosed ? "SECRET" : "public" });
    },
    () => ({
      listeners: Object.entries(MATRIX).flatMap(([host, { listeners }], row) =>
        listeners.map((listener, at) => ({ name: `l${row}-${at}`, host: [host], pool: "any", ...listener }))
      ),
    }),
  );
  const ask = async (host: string, target: string, more = "") => {
    const request = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`;
    return await rawRequest(gateway.port, request);
  };
  const spellings = pathSpellings();
  assert.equal(spellings.length, 200);
  for (const [host, { open }] of Object.entries(MATRIX)) {
    const shown = await ask(host, "/private/x", `X-Usher-Token: ${TOKEN}\r\n`);
    assert.deepEqual([shown.status, textOf(shown.body)], [200, "SECRET"], "who has a token gets it");
    const statuses: number[] = [];
    for (let at = 0; at < spellings.length; at += 20) {
      await Promise.all(
        spellings.slice(at, at + 20).map(async (spelling) => {
          const target = spelling.replace(/gateway\.test/i, host);
          const answer = await ask(host, target);
          statuses.push(answer.status);
          assert.ok(!textOf(answer.body).includes("SECRET"), `${host} ${target}: ${answer.status}`);
          assert.ok([200, 400, 401].includes(answer.status), `${host} ${target}: ${answer.status}`);
        }),
      );
    }
    assert.ok(statuses.filter((status) => status !== 200).length >= 150, `${host}: doubtful, malformed, or closed`);
    const passed = await ask(host, open);
    assert.deepEqual([passed.status, textOf(passed.body)], [200, "public"], open);
    assert.equal(origin.heads.at(-1)!.target, open, "the bytes go on unchanged");
  }
  const refused = await ask("gateway.test", "//private/x", `X-Usher-Token: ${TOKEN}\r\n`);
  assert.equal(refused.status, 400, "whoever asks");
  assert.match(textOf(refused.body), /"title":"Read by an upstream, the path may be one of another listener"/);
});
