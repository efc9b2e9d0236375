import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { Fields } from "../../lib/http/fields.ts";
import { type ScriptedExchange, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { startGateway } from "./_gateway.ts";
import { openRaw } from "../raw_connection.ts";
import { customPool, testConfig } from "./test_config.ts";

const DOCUMENT = JSON.stringify({ id: 550, cast: [{ id: 819 }, { id: 287 }], overview: "soap ".repeat(400) });
const JSON_TYPE: Fields = [["content-type", "application/json"], ["cache-control", "max-age=600"]];
const CHUNK = `3e8\r\n${"x".repeat(1_000)}\r\n`;

/** What the first origin answers by path; the second one is always well. */
const BAD: Readonly<Record<string, Uint8Array>> = {
  "/empty": new Uint8Array(0),
  "/blank": new TextEncoder().encode("\n \n"),
  "/short": new TextEncoder().encode(DOCUMENT.slice(0, DOCUMENT.indexOf("},{") + 1)),
  "/coded": gzipSync(DOCUMENT),
};

Deno.test("B1 and B2 in the real process, on two workers: what custom verifies, and bodies without end", async (t) => {
  await using stack = new AsyncDisposableStack();
  const trickling: ScriptedExchange[] = [];
  const first = stack.adopt(
    await startScriptedOrigin(async (exchange) => {
      const { target } = exchange.head;
      const bad = BAD[target.split("?")[0]!];
      if (bad !== undefined) return await exchange.reply({ fields: JSON_TYPE, body: bad });
      const framing = target.startsWith("/chunks") ? "transfer-encoding: chunked" : "content-length: 900000";
      await exchange.write(
        `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncache-control: max-age=60\r\n${framing}\r\n\r\n`,
      );
      trickling.push(exchange);
      while (exchange.isOpen) {
        await exchange.write(target.startsWith("/chunks") ? CHUNK : "x".repeat(100));
        await exchange.wait(20);
      }
    }),
    (origin) => origin.close(),
  );
  const second = stack.adopt(
    await startScriptedOrigin((exchange) => exchange.reply({ fields: JSON_TYPE, body: DOCUMENT })),
    (origin) => origin.close(),
  );
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          cache: { fill_timeout: "1s" },
          pools: {
            verified: customPool([first.url, second.url], {
              content_types: { verify: ["application/json"] },
              health: { enabled: false, max_failures: 10_000 },
            }),
            any: customPool([first.url]),
          },
          listeners: [
            { name: "verified", host: ["verified.test"], pool: "verified" },
            { name: "any", pool: "any" },
          ],
        }),
    }),
    (running) => running.close(),
  );
  const { port } = gateway;

  for (const path of Object.keys(BAD)) {
    await t.step(`${path}: every client gets the document, whichever upstream is asked first`, async () => {
      for (let at = 0; at < 6; at++) {
        const { status, text, headers } = await asked(port, `${path}?at=${at}`);
        assert.deepEqual([status, text, headers.includes("content-encoding")], [200, DOCUMENT, false]);
      }
    });
  }

  for (const path of ["/chunks", "/length"]) {
    await t.step(`${path}: the upstream's connections end when all clients have left, on either worker`, async () => {
      trickling.length = 0;
      const clients = await Promise.all(Array.from({ length: 6 }, () => openRaw(port)));
      for (const client of clients) client.send(`GET ${path} HTTP/1.1\r\nhost: any.test\r\n\r\n`);
      await Promise.any(clients.map(({ inbox }) => inbox.takeThrough("\r\n\r\n")));
      for (const client of clients) client.close();
      await eventually(
        "no upstream connection trickles on",
        () => trickling.length > 0 && trickling.every(({ isOpen }) => !isOpen),
      );
    });
  }
});

async function asked(port: number, target: string): Promise<{ status: number; text: string; headers: string }> {
  using client = await openRaw(port);
  client.send(`GET ${target} HTTP/1.1\r\nhost: verified.test\r\n\r\n`);
  const headers = (await client.inbox.takeThrough("\r\n\r\n")).toLowerCase();
  const length = Number(/content-length: (\d+)/.exec(headers)?.[1]);
  const text = new TextDecoder().decode(await client.inbox.take(length));
  return { status: Number(headers.split(" ")[1]), text, headers };
}
