import assert from "node:assert/strict";
import type { ScriptedExchange } from "../origins/scripted_origin.ts";
import { eventually } from "../eventually.ts";
import { type ScriptedGateway, startScriptedGateway } from "./_scripted_gateway.ts";
import { sharedByTests } from "./_shared.ts";

/** How the upstream frames a stream of events: in chunks, or until it closes the connection. */
const FRAMINGS = {
  chunks: {
    head: "transfer-encoding: chunked\r\n",
    event: (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`,
  },
  "the end of the connection": { head: "connection: close\r\n", event: (text: string) => text },
} as const;

type Framing = typeof FRAMINGS[keyof typeof FRAMINGS];

/**
 * An upstream whose streams stay open until somebody leaves; each begins with an event that tells its number. A client that has only
 * ended its direction of the connection may still listen, so while the upstream is silent it counts as gone after five seconds, or `send_timeout` if that is shorter.
 */
async function start(framing: Framing, control: string, startPair = shared) {
  const exchanges: ScriptedExchange[] = [];
  const left = { count: 0 };
  const { origin, gateway } = await startPair();
  origin.handle(async (exchange) => {
    exchanges.push(exchange);
    await exchange.write(
      `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: ${control}\r\n${framing.head}\r\n`,
    );
    await exchange.write(framing.event(`data: first of ${exchanges.length}\n\n`));
    await exchange.left;
    left.count++;
  });
  return { origin, gateway, exchanges, left };
}

const shared = sharedByTests((stack) => startPatient(stack, "2s"));

function startPatient(stack: AsyncDisposableStack, sendTimeout: string): Promise<ScriptedGateway> {
  const config = { server: { limits: { send_timeout: sendTimeout } }, cache: { collapse_timeout: "10s" } };
  return startScriptedGateway(stack, () => {}, () => config);
}

/** Reads whole events of a response, which stays open. */
class EventReader {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(response: Response) {
    this.response = response;
    this.#reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  }

  async next(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end >= 0) {
        const event = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return event;
      }
      const { done, value } = await this.#reader.read();
      if (done) throw new Error(`The stream ended within ${JSON.stringify(this.#text)}`);
      this.#text += value;
    }
  }

  leave(): Promise<void> {
    return this.#reader.cancel();
  }
}

async function listen(url: string): Promise<EventReader> {
  return new EventReader(
    await fetch(url, { headers: { "accept": "text/event-stream", "accept-encoding": "gzip, br" } }),
  );
}

for (const [name, framing] of Object.entries(FRAMINGS)) {
  Deno.test(`events that end by ${name} arrive one by one, until the client leaves`, async () => {
    const { origin, gateway, exchanges, left } = await start(framing, "no-cache");
    const events = await listen(`${gateway.url}/events`);
    assert.equal(events.response.headers.get("content-type"), "text/event-stream");
    assert.equal(events.response.headers.get("content-encoding"), null);
    assert.equal(await events.next(), "data: first of 1");
    for (const text of ["data: second", "event: ping\ndata: third"]) {
      await exchanges[0]!.write(framing.event(`${text}\n\n`));
      assert.equal(await events.next(), text);
    }
    assert.equal(left.count, 0);
    await events.leave();
    await eventually("the upstream's connection ends", () => left.count === 1 && origin.open === 0);
    assert.deepEqual(origin.failures, []);
  });
}

Deno.test("where events go on, the upstream's connection ends as soon as the client has left", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway, exchanges, left } = await start(
    FRAMINGS.chunks,
    "no-cache",
    () => startPatient(stack, "1h"),
  );
  const events = await listen(`${gateway.url}/events`);
  await events.next();
  await events.leave();
  await eventually("the upstream's connection ends", async () => {
    await exchanges[0]!.write(FRAMINGS.chunks.event("data: more\n\n"));
    return left.count === 1 && origin.open === 0;
  });
});

Deno.test("each client has a stream of its own, whatever the upstream says of storing it", async () => {
  const { origin, gateway, left } = await start(FRAMINGS.chunks, "public, max-age=600");
  const both = [await listen(`${gateway.url}/shared`), await listen(`${gateway.url}/shared`)];
  assert.deepEqual(await Promise.all(both.map((events) => events.next())), ["data: first of 1", "data: first of 2"]);
  for (const { response } of both) assert.doesNotMatch(response.headers.get("cache-status") ?? "", /; hit|stored/);
  for (const [n, events] of both.entries()) {
    await events.leave();
    await eventually("the upstream's connection ends", () => left.count === n + 1);
  }
  await eventually("no stream is held for a cache", () => origin.open === 0);
});

Deno.test("the end of the upstream's stream is the end of the client's", async () => {
  const { gateway, exchanges } = await start(FRAMINGS.chunks, "no-cache");
  const [whole, cut] = [await listen(`${gateway.url}/whole`), await listen(`${gateway.url}/cut`)];
  await Promise.all([whole.next(), cut.next()]);
  await exchanges[0]!.write("0\r\n\r\n");
  await assert.rejects(whole.next(), /The stream ended within ""/);
  exchanges[1]!.end();
  await assert.rejects(cut.next(), (error) => error instanceof Error && !/The stream ended/.test(error.message));
});
