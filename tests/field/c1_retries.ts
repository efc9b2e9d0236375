import assert from "node:assert/strict";
import { type Asked, asking, type FieldRow, type Seen, textOf } from "./field_row.ts";

const REQUESTS = 200;
/** The share of the requests, and what is made before it shows that retries are of no use. */
const MOST_TRIES = REQUESTS * 1.2 + 50;

/** How all three upstreams of a pool fail, by the name of their pool. */
const FAILURES: Readonly<Record<string, (asked: Asked) => Promise<void>>> = {
  // First, over new connections: on one that was kept a request is sent again by the transport.
  "c1-reset": ({ exchange }) => Promise.resolve(exchange.reset()),
  "c1-cut": async ({ exchange }) => {
    await exchange.write(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\n\r\n{",
    );
    exchange.reset();
  },
  "c1-503": ({ exchange }) => exchange.reply({ status: 503, body: "busy" }),
  "c1-500": ({ exchange }) => exchange.reply({ status: 500, body: "broken" }),
  "c1-429": ({ exchange }) => exchange.reply({ status: 429, body: "slower" }),
  "c1-later": ({ exchange }) => exchange.reply({ status: 503, fields: [["retry-after", "30"]], body: "later" }),
  "c1-page": ({ exchange }) => exchange.reply({ fields: [["content-type", "text/html"]], body: "<h1>blocked</h1>" }),
};

/** Pools of three upstreams each. */
export const failingPools: readonly string[] = Object.keys(FAILURES);

const NAMES: Readonly<Record<string, string>> = {
  "c1-503": "answer 503",
  "c1-500": "answer 500",
  "c1-429": "answer 429",
  "c1-later": "answer 503 with Retry-After: 30",
  "c1-reset": "reset the connection",
  "c1-page": "answer a block page",
  "c1-cut": "break off in the body",
};

function many(host: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => asking(`GET /${index}`, `${host}.test`));
}

function failedRow(pool: string): FieldRow {
  return {
    line: "C1",
    name: `three upstreams that ${NAMES[pool]} get few more tries than there are requests`,
    before: "600 tries of 200 requests, one after the other in a queue",
    fellShort: true,
    requests: many(pool, REQUESTS),
    isAtOnce: true,
    answer: FAILURES[pool],
    holds({ responses, asked }) {
      assert.equal(responses.filter(({ status }) => status < 400).length, 0);
      assert.ok(asked.length <= MOST_TRIES, `${asked.length} tries of ${REQUESTS} requests`);
    },
  };
}

function allWell({ responses }: Seen): void {
  assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200]);
}

const well = ({ exchange }: Asked) => exchange.reply({ fields: [["content-type", "application/json"]], body: "{}" });

/** C1: the retry budget. */
export const retryRows: readonly FieldRow[] = [
  ...failingPools.map(failedRow),
  {
    line: "C1",
    name: "retries that were refused are counted",
    before: 'none was: usher_retries_total{result="refused"} was 0',
    fellShort: true,
    requests: [asking("GET /metrics", "localhost")],
    isAdmin: true,
    holds({ responses }) {
      const refused = /^usher_retries_total\{[^}]*pool="c1-503"[^}]*result="refused"[^}]*\} (\d+)$/m;
      assert.ok(Number(refused.exec(textOf(responses[0]!))?.[1]) >= REQUESTS / 2);
    },
  },
  {
    line: "C1",
    name: "one upstream of two that answers 503 costs no client anything",
    before: "as now",
    fellShort: false,
    requests: many("c1-half", 100),
    isAtOnce: true,
    answer: (asked) => asked.origin === 0 ? FAILURES["c1-503"]!(asked) : well(asked),
    holds: allWell,
  },
  {
    line: "C1",
    name: "one upstream of two that resets costs no client anything",
    before: "as now",
    fellShort: false,
    requests: many("c1-half-reset", 100),
    isAtOnce: true,
    answer: (asked) => asked.origin === 0 ? FAILURES["c1-reset"]!(asked) : well(asked),
    holds: allWell,
  },
];
