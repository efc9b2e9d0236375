import assert from "node:assert/strict";
import { FetchBody, type FetchBodyOwner } from "../../lib/upstream_client/_fetch_body.ts";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import { failureOf } from "./_sending.ts";

/** An owner that writes down what it is told. */
function recordingOwner(): FetchBodyOwner & { readonly told: string[] } {
  const told: string[] = [];
  return {
    told,
    arm: () => void told.push("arm"),
    disarm: () => void told.push("disarm"),
    finish: () => void told.push("finish"),
    fail(error) {
      told.push("fail");
      return error instanceof UpstreamFailure ? error : new UpstreamFailure("reset", String(error), true);
    },
  };
}

function bodyOf(chunks: string[], lengthBytes: number | null, onCancel = () => {}) {
  const owner = recordingOwner();
  const rest = chunks.map((chunk) => new TextEncoder().encode(chunk));
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const chunk = rest.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: onCancel,
  }, { highWaterMark: 0 });
  return { owner, body: new FetchBody(owner, stream, lengthBytes) };
}

Deno.test("FetchBody hands chunks out in order and ends its exchange once", async () => {
  const { owner, body } = bodyOf(["ab", "c"], 3);
  assert.equal(new TextDecoder().decode(await body.readAll(3)), "abc");
  assert.equal(await body.read(), null);
  body.cancel();
  assert.deepEqual(owner.told.filter((what) => !what.includes("arm")), ["finish"]);
});

Deno.test("FetchBody takes no body for whole that is not of its length", async () => {
  await failureOf(bodyOf(["ab"], 3).body.readAll(10), "truncated");
  await failureOf(bodyOf(["abcd"], 3).body.readAll(10), "truncated");
  await failureOf(bodyOf(["abcd"], null).body.readAll(3), "too_large");
});

Deno.test("FetchBody cancels the stream when it is given up, once, and stays failed", async () => {
  let cancels = 0;
  const { owner, body } = bodyOf(["ab", "c"], 3, () => void cancels++);
  await body.read();
  body.cancel();
  body.cancel();
  await failureOf(body.read(), "aborted");
  assert.equal(cancels, 1);
  assert.equal(owner.told.filter((what) => what === "fail").length, 1);
});
