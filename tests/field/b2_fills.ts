import assert from "node:assert/strict";
import type { ScriptedExchange } from "../origins/scripted_origin.ts";
import { type Asked, asking, type FieldRow, type Seen } from "./field_row.ts";

/** Patience of an origin that waits for something to happen; it happens at once where the row holds. */
const PATIENCE_MS = 20_000;

const FRESH = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n";
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

/** Lets those who come wait until there are so many, or their patience ends. */
class Meeting {
  readonly #count: number;
  #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  /** Whether all have come. */
  meet(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), PATIENCE_MS);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
      if (this.#waiting.length < this.#count) return;
      for (const go of this.#waiting) go();
      this.#waiting = [];
    });
  }
}

/** A small document whose end comes when all are under way. */
function slowDocument(count: number, isChunked: boolean) {
  const meeting = new Meeting(count);
  return async ({ exchange }: Asked) => {
    const framing = isChunked ? "transfer-encoding: chunked" : "connection: close";
    const frame = isChunked ? chunk : (text: string) => text;
    await exchange.write(`${FRESH}content-type: application/json\r\n${framing}\r\n\r\n${frame('{"a":')}`);
    await meeting.meet();
    await exchange.write(frame("1}") + (isChunked ? "0\r\n\r\n" : ""));
    exchange.end();
  };
}

function areStored({ responses }: Seen): void {
  const kept = responses.filter((response) => /; stored/.test(response.field("cache-status") ?? ""));
  assert.equal(kept.length, responses.length, `${kept.length} of ${responses.length} are stored`);
}

function many(count: number, path: string): string[] {
  return Array.from({ length: count }, (_, at) => asking(`GET ${path}/${at}`, "any.test"));
}

/** A stream that ends when all who ask for it have one of their own. */
function stream(contentType: string, count: number) {
  const meeting = new Meeting(count);
  return async ({ exchange }: Asked) => {
    await exchange.write(
      `${FRESH}content-type: ${contentType}\r\ntransfer-encoding: chunked\r\n\r\n${chunk("first\n\n")}`,
    );
    const word = await meeting.meet() ? "together" : "alone";
    await exchange.write(`${chunk(word)}0\r\n\r\n`);
  };
}

function areTogether({ responses }: Seen): void {
  const texts = responses.map(({ body }) => new TextDecoder().decode(body));
  assert.deepEqual(texts, responses.map(() => "first\n\ntogether"));
}

/** Says more and more, and knows whether its client leaves before its patience ends. */
class Trickle {
  readonly #gone = Promise.withResolvers<boolean>();
  readonly #head: string;

  constructor(contentType: string) {
    this.#head = `${FRESH}content-type: ${contentType}\r\ntransfer-encoding: chunked\r\n\r\n`;
  }

  get gone(): Promise<boolean> {
    return this.#gone.promise;
  }

  async answer({ exchange }: { readonly exchange: ScriptedExchange }): Promise<void> {
    const untilMs = performance.now() + PATIENCE_MS / 4;
    await exchange.write(this.#head);
    while (exchange.isOpen && performance.now() < untilMs) {
      await exchange.write(chunk("x".repeat(2_000)));
      await exchange.wait(1);
    }
    this.#gone.resolve(!exchange.isOpen);
    exchange.reset();
  }
}

function trickleRow(name: string, contentType: string, path: string): FieldRow {
  let trickle = new Trickle(contentType);
  return {
    line: "B2",
    name,
    before: "the upstream's connection went on",
    fellShort: true,
    requests: [asking(`GET ${path}`, "any.test")],
    leavesAfterBytes: 600_000,
    answer: (asked) => (trickle = new Trickle(contentType)).answer(asked),
    holds: async () => assert.equal(await trickle.gone, true, "the upstream's connection goes on"),
  };
}

const FEW = "4 of 24 are stored";
const WAITED = "the others wait until the first one's stream ends, or their patience does";

/** B2: memory reserved for fills, and bodies without end. */
export const fillRows: readonly FieldRow[] = [
  {
    line: "B2",
    name: "24 small documents in chunks at once are all stored",
    before: FEW,
    fellShort: true,
    requests: many(24, "/b2/chunked"),
    isAtOnce: true,
    answer: slowDocument(24, true),
    holds: areStored,
  },
  {
    line: "B2",
    name: "24 small documents that end with their connection are all stored",
    before: FEW,
    fellShort: true,
    requests: many(24, "/b2/closed"),
    isAtOnce: true,
    answer: slowDocument(24, false),
    holds: areStored,
  },
  ...[
    ["text/event-stream", "/b2/events"],
    ["multipart/x-mixed-replace; boundary=frame", "/b2/camera"],
    ["application/grpc-web+proto", "/b2/grpc"],
  ].map(([contentType, path]): FieldRow => ({
    line: "B2",
    name: `three who ask for one ${contentType!.split(";")[0]} are each given one at once`,
    before: WAITED,
    fellShort: true,
    requests: Array.from({ length: 3 }, () => asking(`GET ${path}`, "any.test")),
    isAtOnce: true,
    answer: stream(contentType!, 3),
    holds: areTogether,
  })),
  trickleRow(
    "a stream of events that may be stored ends at the upstream when its client leaves",
    "text/event-stream",
    "/b2/left",
  ),
  trickleRow(
    "a body without end that is over max_entry ends at the upstream when its client leaves",
    "text/plain",
    "/b2/endless",
  ),
  {
    line: "B2",
    name: "a large body of known length is fetched to its end for the cache when its client leaves",
    before: "it is",
    fellShort: false,
    requests: [asking("GET /b2/large", "any.test")],
    leavesAfterBytes: 1_000,
    answer: ({ exchange }) =>
      exchange.reply({ fields: [["cache-control", "max-age=60"]], body: new Uint8Array(400_000) }),
    holds: ({ responses, asked }) => assert.deepEqual([responses[0]!.status, asked.length], [200, 1]),
  },
];
