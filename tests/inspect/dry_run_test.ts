import assert from "node:assert/strict";
import { GatewayError } from "../../lib/errors.ts";
import { DryRun, gatewayOverMadeUpUpstreams, tryOut } from "../../lib/inspect/dry_run.ts";
import { madeUpAnswer } from "../../lib/inspect/explain_answers.ts";
import { configFor, plainParts } from "../pipeline/in_process_gateway.ts";
import { handle } from "../../lib/pipeline/pipeline.ts";
import { ownArrival } from "../../lib/request/own_arrival.ts";
import { replyResponse } from "../../lib/server/fetch_adapter.ts";

const config = await configFor(
  plainParts(["http://127.0.0.1:9"], { listeners: [{ name: "l", prefix: "/a", pool: "p" }] }),
);
const address = "127.0.0.1:6635";
const asking = (target: string, method = "GET") => ({
  method,
  url: `http://h.example${target}`,
  fields: [["host", "h.example"]] as [string, string][],
});

Deno.test("DryRun.exchange() routes as the pipeline does, and keeps the raw target", async () => {
  await using dry = new DryRun(config, madeUpAnswer(200, "text/plain"));
  const exchange = dry.exchange(address, asking("/a//b%2Fc?"));
  assert.ok(exchange !== null && !(exchange instanceof GatewayError));
  assert.deepEqual([exchange.path, exchange.hasEmptyQuery], ["/a//b%2Fc", true]);
  assert.equal(dry.exchange(address, asking("/b")), null);
  assert.equal(dry.exchange("127.0.0.1:1", asking("/a")), null);
  for (const refused of [asking("/a/../b"), asking("/a", "TRACE"), asking("/a", "CONNECT")]) {
    assert.ok(dry.exchange(address, refused) instanceof GatewayError);
  }
});

Deno.test("tryOut() says what was sent, answered and stored, and begins anew each time", async () => {
  const answer = madeUpAnswer(200, "application/json", "max-age=60");
  for (let turn = 0; turn < 2; turn++) {
    const { sent, status, text, stored, fields } = await tryOut({ config, address, asked: asking("/a/1") }, answer);
    assert.deepEqual(sent.map(({ target }) => target), ["/a/1"]);
    assert.deepEqual([status, text, stored?.freshness.lifetimeMs], [200, "{}", 60_000]);
    assert.match(fields.find(([name]) => name === "cache-status")![1], /fwd=uri-miss.*stored/);
  }
  const failing = await tryOut({ config, address, asked: asking("/a/1") }, madeUpAnswer(503, "text/plain"));
  assert.deepEqual([failing.status, failing.stored], [503, null]);
  await assert.rejects(tryOut({ config, address, asked: asking("/b") }, answer), RangeError);
});

Deno.test("gatewayOverMadeUpUpstreams() answers as told, notes what was sent and stores as ever", async () => {
  const config = await configFor(plainParts(["http://127.0.0.1:9/base"]));
  const fields: [string, string][] = [["content-type", "text/plain"], ["cache-control", "max-age=60"]];
  const { gateway, sent } = gatewayOverMadeUpUpstreams(config, { status: 200, fields, body: "made up" });
  const { services, snapshot } = gateway;
  const ask = async (method: string) => {
    const arrival = ownArrival({ method, target: "/a?b=1", fields: [["host", "h.example"]] });
    const entrance = { services, table: snapshot.tables.get("127.0.0.1:6635") };
    const response = replyResponse(await handle(entrance, arrival), method);
    return [response.status, await response.text(), response.headers.get("content-length")];
  };
  assert.deepEqual(await ask("HEAD"), [200, "", "7"]);
  assert.deepEqual(await ask("GET"), [200, "made up", "7"]);
  assert.deepEqual(await ask("GET"), [200, "made up", "7"]);
  assert.deepEqual(sent.map(({ method, target }) => `${method} ${target}`), ["HEAD /base/a?b=1", "GET /base/a?b=1"]);
  await gateway.close(100);
});
