import assert from "node:assert/strict";
import { termination } from "../../lib/request/termination.ts";
import { eventually, plainPool, withGateway, withOrigins } from "../pipeline/in_process_gateway.ts";
import type { GatewayParts, InProcessGateway } from "../pipeline/in_process_gateway.ts";

const PLAIN = { stage: null, error: undefined, aborted: false, isOwn: false, tries: 0 };

Deno.test("termination() tells a quota from a lack of keys and from an upstream's own limit", () => {
  assert.deepEqual(
    [
      termination({ ...PLAIN, error: "rate_limited" }),
      termination({ ...PLAIN, error: "rate_limited", stage: "queue" }),
      termination({ ...PLAIN, error: "rate_limited", stage: "body", tries: 2 }),
    ],
    ["PR", "RQ", "SH"],
  );
  assert.equal(termination({ ...PLAIN, error: "body_broke_off", stage: "body", tries: 1 }), "SD");
  assert.equal(termination({ ...PLAIN, stage: "send", aborted: true }), "CL");
  assert.equal(termination({ ...PLAIN, error: "a code of tomorrow", stage: "head" }), "IH");
});

function codes({ access }: InProcessGateway): unknown[] {
  return access().map((line) => line["termination"]);
}

const NOBODY = "http://127.0.0.1:1";

/** A listener on everything, and some whose requests end otherwise. */
function partsOver(origin: string): GatewayParts {
  const sending = { retry: { attempts: 1 }, timeouts: { first_byte: "300ms", idle: "300ms" } };
  const reply = (then: Record<string, unknown>) => [{ when: { path: "/**" }, ...then }];
  const auth = { tokens: { a: "9f1c7e02b84d4ab3a6d05c3be871f92d" } };
  return {
    pools: { p: plainPool([origin], sending), patient: plainPool([origin]), gone: plainPool([NOBODY], sending) },
    listeners: [
      { name: "l", pool: "p" },
      { name: "patient", prefix: "/patient", pool: "patient" },
      { name: "gone", prefix: "/gone", pool: "gone" },
      { name: "own", prefix: "/own", pool: "p", rules: reply({ redirect: { to: "/elsewhere" } }) },
      { name: "closed", prefix: "/closed", pool: "p", auth },
      { name: "ruled", prefix: "/ruled", pool: "p", rules: reply({ respond: { status: 403 } }) },
    ],
  };
}

Deno.test("access lines say who ended a request, and in which phase", () =>
  withOrigins([async (exchange) => {
    const { target } = exchange.head;
    if (target.endsWith("/late")) await exchange.wait(60_000);
    if (target === "/reset") return exchange.reset();
    if (target === "/cut") {
      await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 900000\r\ncontent-type: text/plain\r\n\r\nab");
      return exchange.reset();
    }
    if (target.startsWith("/stalled")) {
      await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 900\r\ncontent-type: text/plain\r\n\r\nab");
      await exchange.wait(60_000);
    }
    await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "x" });
  }], (origin) =>
    withGateway(partsOver(origin!.url), async (gateway) => {
      const url = await gateway.serve();
      const ask = async (target: string, init?: RequestInit) => {
        const before = gateway.access().length;
        await fetch(`${url}${target}`, init).then((response) => response.bytes()).catch(() => {});
        await eventually(`${target} has a line`, () => gateway.access().length > before);
      };
      await ask("/a");
      await ask("/a");
      await ask("/reset");
      await ask("/late");
      await ask("/cut", { method: "POST", body: "x" });
      await ask("/stalled", { method: "POST", body: "x" });
      await ask("/stalled/shared");
      await ask("/gone/a");
      await ask("/own/a", { redirect: "manual" });
      await ask("/closed/a");
      await ask("/ruled/a");
      await ask("/a", { method: "GET", headers: { "cache-control": "only-if-cached", "x-never": "1" } });
      assert.deepEqual(codes(gateway), ["--", "--", "SH", "sH", "SD", "sD", "sD", "SC", "LR", "PR", "PR", "--"]);
      const leaving = new AbortController();
      const left = fetch(`${url}/patient/late`, { method: "POST", body: "x", signal: leaving.signal }).catch(() => {});
      await eventually("the origin is asked", () => origin!.heads.some(({ target }) => target === "/patient/late"));
      leaving.abort();
      await left;
      await eventually("the line is there", () => gateway.access().length === 13);
      assert.equal(codes(gateway).at(-1), "CH");
      assert.deepEqual(gateway.access().map(({ rule }) => rule).filter((rule) => rule !== undefined), ["1", "1"]);
    })));
