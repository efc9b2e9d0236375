import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { plainParts, withGateway, withOrigin, withOrigins } from "../pipeline/in_process_gateway.ts";

const ok: ScriptedHandler = (exchange) => exchange.reply({ body: "good" });
const fails = (status: number): ScriptedHandler => (exchange) => exchange.reply({ status, body: `bad ${status}` });
const CLOSED = "http://127.0.0.1:1";

Deno.test("settle() passes on the last answer as it is", () =>
  withOrigins(
    [fails(500), fails(503), ok],
    (first, second, third) =>
      withGateway(
        plainParts([first!.url, second!.url, third!.url], { pool: { retry: { attempts: 2 } } }),
        async ({ ask, access }) => {
          const answer = await ask("/a");
          assert.equal(answer.status, 503);
          assert.equal(answer.text, "bad 503");
          assert.equal(third!.heads.length, 0);
          assert.equal(access()[0]!["tries"], 2);
          assert.equal(access()[0]!["upstream"], second!.url);
        },
      ),
  ));

Deno.test("settle() takes content that the pool does not carry for a failed try, and never passes it on", () =>
  withOrigins(
    [(exchange) => exchange.reply({ fields: [["content-type", "text/html"]], body: "<h1>blocked</h1>" })],
    (page) =>
      withGateway(
        plainParts([page!.url], { pool: { content_types: { allow: ["application/json"] } } }),
        async ({ ask, gateway }) => {
          const answer = await ask("/a");
          assert.equal(answer.status, 502);
          assert.equal(
            answer.headers.get("proxy-status"),
            'usher; error=http_protocol_error; details="upstream_wrong_content"',
          );
          assert.ok(!answer.text.includes("blocked"));
          assert.deepEqual(gateway.counts.upstreams["p"]![page!.url]!.outcomes, { failed: 1 });
        },
      ),
  ));

Deno.test("settle() answers 502 for an answer that is no HTTP", () =>
  withOrigin(
    (exchange) => exchange.write("SMTP ready\r\n\r\n").then(() => exchange.end()),
    async ({ ask }) => assert.equal((await ask("/a")).status, 502),
    { pool: { retry: { attempts: 1 } } },
  ));

Deno.test("settle() answers 503 where no upstream may be used", () =>
  withGateway(plainParts([CLOSED]), async ({ ask, gateway }) => {
    const { pool } = gateway.snapshot.pools[0]!;
    pool.select = () => null;
    const answer = await ask("/a");
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get("retry-after"), "5");
    assert.match(answer.text, /No upstream of pool/);
  }));
