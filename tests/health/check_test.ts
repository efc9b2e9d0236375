import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import { assertSafeCheck, type CheckDeps, type CheckSpec, runCheck } from "../../lib/health/check.ts";
import { createHttp1Transport } from "../../lib/upstream_client/http1_transport.ts";
import { checkSpec } from "./check_specs.ts";
import { FakeTime } from "./fake_time.ts";
import { type Answer, ScriptedTransport } from "./scripted_transport.ts";

async function run(spec: Partial<CheckSpec>, answer: Answer) {
  const time = new FakeTime();
  const running = runCheck(checkSpec(spec), new ScriptedTransport(answer), time);
  await time.advance(1_000);
  assert.equal(time.pending, 0, "the deadline's timer was left behind");
  return await running;
}

Deno.test("runCheck() passes what the status ranges and the text allow", async () => {
  assert.equal((await run({}, { status: 204 })).verdict, "pass");
  assert.equal((await run({ status: [[200, 200], [401, 401]] }, { status: 401 })).verdict, "pass");
  assert.equal((await run({ contains: "all ok" }, { status: 200, text: "all ok here" })).verdict, "pass");
});

Deno.test("runCheck() fails other status, missing text, failures and silence, and says which", async () => {
  const reason = async (spec: Partial<CheckSpec>, answer: Answer) => {
    const result = await run(spec, answer);
    assert.equal(result.verdict, "fail");
    return result.reason;
  };
  assert.equal(await reason({}, { status: 503 }), "status 503");
  assert.equal(await reason({ contains: "ok" }, { status: 200, text: "no" }), "the body lacks the expected text");
  assert.equal(await reason({}, { failure: "connect_timeout" }), "connect timeout");
  assert.equal(await reason({}, "never"), "no answer within 500 ms");
});

Deno.test("runCheck() keeps a failure's message out of the reason", async () => {
  assert.ok(!(await run({}, { failure: "reset" })).reason.includes("secret"));
});

Deno.test("runCheck() lets a judge tell a refused credential from a failed host", async () => {
  const judge: CheckSpec["judge"] = (status, _, text) => status === 401 && text.includes("7") ? "credential" : "fail";
  assert.equal((await run({ judge }, { status: 401, text: '{"status_code":7}' })).verdict, "credential");
  assert.equal((await run({ judge }, { status: 401 })).verdict, "fail");
});

Deno.test("runCheck() reads no more than 64 KiB of a body", async () => {
  const text = "x".repeat(64 * 1024 - 6) + "needle";
  assert.equal((await run({ contains: "needle" }, { status: 200, text })).verdict, "pass");
  const transport = new ScriptedTransport({ status: 200, text: `x${text}` });
  const result = await runCheck(checkSpec({ contains: "needle" }), transport, new FakeTime());
  assert.equal(result.verdict, "fail");
  assert.equal(transport.cancelled, 1);
});

Deno.test("assertSafeCheck() refuses a method that might change something", () => {
  for (const method of ["POST", "DELETE", "PUT", "get"]) {
    assert.throws(() => assertSafeCheck(checkSpec({ method })), /method must be GET, HEAD or OPTIONS/);
  }
  assertSafeCheck(checkSpec({ method: "HEAD" }));
});

/** A transport to a real server on loopback. */
function transportTo(port: number) {
  return createHttp1Transport({
    url: new URL(`http://127.0.0.1:${port}`),
    tlsName: null,
    address: null,
    caCerts: [],
    allowPrivate: true,
    maxConnections: 2,
    clock: systemClock,
  });
}

const MACHINE_TIME: CheckDeps = {
  now: Date.now,
  schedule: (call, delayMs) => {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
};

Deno.test("runCheck() asks a real server over one connection, and sees it hang and die", async () => {
  let connections = 0;
  const ports = new Set<number>();
  const hanging = Promise.withResolvers<Response>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request, info) => {
    if (!ports.has(info.remoteAddr.port)) connections++;
    ports.add(info.remoteAddr.port);
    return new URL(request.url).pathname === "/hang" ? hanging.promise : new Response("all ok");
  });
  const transport = transportTo(server.addr.port);
  const run = (target: string) =>
    runCheck(checkSpec({ target, contains: "ok", timeoutMs: 300 }), transport, MACHINE_TIME);
  for (let i = 0; i < 3; i++) assert.equal((await run("/healthz")).verdict, "pass");
  assert.equal(connections, 1);
  assert.equal((await run("/hang")).reason, "no answer within 300 ms");
  hanging.resolve(new Response("late"));
  await server.shutdown();
  const dead = await run("/healthz");
  assert.equal(dead.verdict, "fail");
  assert.ok(["connect", "reset"].includes(dead.reason), dead.reason);
  transport.close();
});
