import assert from "node:assert/strict";
import { gatewayOverMadeUpUpstreams } from "../../lib/inspect/made_up_upstreams.ts";
import { handle } from "../../lib/pipeline/pipeline.ts";
import { ownArrival } from "../../lib/request/own_arrival.ts";
import { replyResponse } from "../../lib/server/fetch_adapter.ts";
import { configFor, plainParts } from "../pipeline/in_process_gateway.ts";

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
