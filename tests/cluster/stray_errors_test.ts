import assert from "node:assert/strict";
import { isStraySocketError, outliveSocketErrors } from "../../lib/workers/stray_errors.ts";
import { madeAuthority } from "../certificates/made.ts";
import { HAS_REDIS, startRedis } from "./redis_server.ts";

const TIMES = 200;

Deno.test({
  name: "outliveSocketErrors(): a worker outlives 200 alerts of TLS that come after the handshake",
  ignore: !HAS_REDIS,
}, async () => {
  const authority = await madeAuthority();
  await using redis = await startRedis({ tls: { ca: authority.ca, ...await authority.leaf(["localhost"]) } });
  const outcome = (isGuarded: boolean) => {
    const worker = new Worker(new URL("_stray_errors_worker.ts", import.meta.url), { type: "module" });
    const { promise, resolve } = Promise.withResolvers<string>();
    worker.onmessage = ({ data }) => resolve(data.strays > 0 ? "outlived" : "met none");
    worker.onerror = (event) => {
      event.preventDefault();
      resolve("died");
    };
    worker.postMessage({ port: redis.port, ca: authority.ca, times: TIMES, isGuarded });
    return promise.finally(() => worker.terminate());
  };
  assert.equal(await outcome(true), "outlived");
  assert.equal(await outcome(false), "died", "without it the first of them ends the worker");
});

Deno.test("isStraySocketError() is true of the runtime's own sockets alone", () => {
  const error = (fields: { code?: string; message?: string; stack: string }) =>
    Object.assign(new Error(fields.message), { code: fields.code, stack: fields.stack });
  const inside = "Error: x\n    at WriteWrap.onWriteComplete (ext:deno_node/internal/stream_base_commons.ts:1:1863)";
  assert.ok(isStraySocketError(error({ code: "EPIPE", stack: inside })));
  assert.ok(isStraySocketError(error({ code: "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", stack: inside })));
  assert.ok(isStraySocketError(error({ message: "received fatal alert: CertificateRequired", stack: inside })));
  assert.ok(!isStraySocketError(error({ code: "EPIPE", stack: "Error: x\n    at ours (file:///lib/a.ts:1:1)" })));
  assert.ok(!isStraySocketError(error({ code: "ENOENT", stack: inside })));
  assert.ok(!isStraySocketError(new TypeError("x is undefined")));
  assert.ok(!isStraySocketError("EPIPE"));
});

Deno.test("outliveSocketErrors() leaves every other error to end the thread", () => {
  const scope = new EventTarget();
  const told: string[] = [];
  outliveSocketErrors(scope as never, (problem) => told.push(problem));
  const stray = Object.assign(new Error("write EPIPE"), { code: "EPIPE", stack: "at x (ext:deno_node/net.ts:1:1)" });
  const isPrevented = (error: unknown) => !scope.dispatchEvent(new ErrorEvent("error", { error, cancelable: true }));
  assert.deepEqual([isPrevented(stray), isPrevented(new Error("a bug"))], [true, false]);
  assert.deepEqual(told, ["write EPIPE"]);
});
