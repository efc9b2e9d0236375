/**
 * An origin that misbehaves when told to, as a process of its own so that it can also be stopped and killed:
 * `deno run --allow-net=127.0.0.1 tests/chaos/upstreams/chaos_origin.ts`. It prints one line of JSON, `{"url":…}`, when it listens.
 * `GET /_mode/<name>` sets how it answers, `GET /_count` says how many requests came.
 */
import type { Fields } from "../../../lib/http/fields.ts";
import { type ScriptedExchange, startScriptedOrigin } from "../../origins/scripted_origin.ts";
import { bodyOf } from "./scenarios.ts";

const FIELDS: Fields = [["content-type", "application/json"], ["cache-control", "max-age=600"]];
let mode = "well";
let count = 0;

const origin = await startScriptedOrigin(async (exchange) => {
  const { target } = exchange.head;
  if (target === "/_count") return await exchange.reply({ body: String(count) });
  if (target.startsWith("/_mode/")) {
    mode = target.slice("/_mode/".length);
    count = 0;
    return await exchange.reply({ body: mode });
  }
  count++;
  await exchange.wait(5);
  await answer(exchange, bodyOf(target));
});
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ url: origin.url }) + "\n"));

async function answer(exchange: ScriptedExchange, body: string): Promise<void> {
  const half =
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: max-age=600\r\ncontent-length: ${body.length}\r\n\r\n${
      body.slice(0, body.length / 2)
    }`;
  switch (mode) {
    case "503":
      return await exchange.reply({ status: 503, fields: FIELDS, body: "{}" });
    case "429":
      return await exchange.reply({ status: 429, fields: [...FIELDS, ["retry-after", "5"]], body: "{}" });
    case "block-page":
      return await exchange.reply({ fields: [["content-type", "text/html"]], body: "<h1>This site is blocked</h1>" });
    case "reset":
      await exchange.write(half);
      await exchange.wait(5);
      return exchange.reset();
    case "slow-first-byte":
      await exchange.wait(1_500);
      break;
    case "slow-body":
      await exchange.write(half);
      await exchange.wait(1_500);
      return await exchange.write(body.slice(body.length / 2));
    case "stall-5":
      if (Math.random() < 0.05) await exchange.wait(1_000);
  }
  await exchange.reply({ fields: FIELDS, body });
}
