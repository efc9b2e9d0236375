import assert from "node:assert/strict";
import { explain } from "../../lib/inspect/explain.ts";
import type { Explanation } from "../../lib/inspect/explanation.ts";
import { configFor, type GatewayParts } from "../pipeline/in_process_gateway.ts";

const TOKEN = "0123456789abcdef0123";
const WRONG = "ffffffffffffffff0000";

const CLOSED: GatewayParts = {
  pools: { p: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] } },
  listeners: [{ name: "l", pool: "p", auth: { tokens: { anna: [TOKEN] }, path: true, query: ["t"] } }],
};

async function explained(target: string, parts = CLOSED): Promise<Explanation> {
  const request = { method: "GET", to: null, authority: "h.example", target, fields: [] };
  return await explain(await configFor(parts), request, () => "");
}

Deno.test("servedView() answers 401 for a client that is not let in, and tells all the same what one that is gets", async () => {
  const { served: [served] } = await explained("/a?x=1");
  assert.equal(served!.own_answer?.status, 401);
  assert.match(served!.settings["auth"]!, /shows none/);
  assert.deepEqual(served!.cache!.key, ["l", "h.example", "/a?x=1"]);
  assert.equal(served!.upstreams[0]!.request?.target, "/a?x=1");
  assert.equal(served!.cache!.answers.find((answer) => answer.cache_control !== null)?.fresh_ms, 600_000);
});

Deno.test("servedView() knows a client by a token, and shows no token, right or wrong", async () => {
  for (
    const [target, isLetIn] of [[`/~${TOKEN}/a?x=1`, true], [`/a?t=${TOKEN}&x=1`, true], [
      `/~${WRONG}/a?x=1`,
      false,
    ]] as const
  ) {
    const explanation = await explained(target);
    const [served] = explanation.served;
    assert.equal(served!.own_answer === null, isLetIn, target);
    assert.equal(served!.upstreams[0]!.request?.target, "/a?x=1");
    assert.doesNotMatch(JSON.stringify(explanation), new RegExp(`${TOKEN}|${WRONG}`));
    assert.match(explanation.request.target, /\[redacted\]/);
  }
});

Deno.test("servedView() shows no more than 32 upstreams", async () => {
  const upstreams = Array.from({ length: 40 }, (_, index) => `http://127.0.0.1:${index + 1}`);
  const parts = { ...CLOSED, pools: { p: { type: "custom", health: false, upstreams } } };
  assert.equal((await explained("/a", parts)).served[0]!.upstreams.length, 32);
});
