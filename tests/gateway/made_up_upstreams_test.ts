import assert from "node:assert/strict";
import { gatewayOverMadeUpUpstreams } from "../../lib/gateway/made_up_upstreams.ts";
import { handle } from "../../lib/pipeline/pipeline.ts";
import { configFor, plainParts } from "../pipeline/in_process_gateway.ts";

const client = { remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: 1 } } as const;

Deno.test("gatewayOverMadeUpUpstreams() answers as told, notes what was sent and stores as ever", async () => {
  const config = await configFor(plainParts(["http://127.0.0.1:9/base"]));
  const fields: [string, string][] = [["content-type", "text/plain"], ["cache-control", "max-age=60"]];
  const { gateway, sent } = gatewayOverMadeUpUpstreams(config, { status: 200, fields, body: "made up" });
  const { services, snapshot } = gateway;
  const ask = async (method: string) => {
    const request = new Request("http://h.example/a?b=1", { method, headers: { host: "h.example" } });
    const entrance = { services, table: snapshot.tables.get("127.0.0.1:6635") };
    const response = await handle(entrance, request, client);
    return [response.status, await response.text(), response.headers.get("content-length")];
  };
  assert.deepEqual(await ask("HEAD"), [200, "", "7"]);
  assert.deepEqual(await ask("GET"), [200, "made up", "7"]);
  assert.deepEqual(await ask("GET"), [200, "made up", "7"]);
  assert.deepEqual(sent.map(({ method, target }) => `${method} ${target}`), ["HEAD /base/a?b=1", "GET /base/a?b=1"]);
  await gateway.close(100);
});
