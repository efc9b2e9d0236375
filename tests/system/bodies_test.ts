import assert from "node:assert/strict";
import { eventually } from "../eventually.ts";
import { residentBytes, startGateway } from "./_gateway.ts";
import { rawRequest, requestText } from "./_raw_client.ts";
import { drained, patternChunk, patternHash, patternStream, startStreamingOrigin } from "./_streaming_origin.ts";
import { customPool, testConfig } from "./test_config.ts";

const MIB = 1024 * 1024;
/** More than all socket buffers on the way can hold. */
const LARGE_BYTES = 128 * MIB;
/** What may be on its way when nobody takes it: the buffers of four sockets. Linux lets two of them grow to 32 MiB each. */
const IN_BUFFERS_BYTES = 96 * MIB;
/** Far less than a body. Chunks that are done with are collected when the runtime sees fit, so it is not nothing. */
const GROWTH_BYTES = 80 * MIB;

async function start(stack: AsyncDisposableStack, server: Readonly<Record<string, unknown>> = {}) {
  const origin = stack.adopt(await startStreamingOrigin(), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          server,
          cache: { memory: "8MiB", max_entry: "1MiB" },
          pools: { any: customPool([origin.url], { timeouts: { idle: "20s" } }) },
          listeners: [{ name: "any", prefix: "/", pool: "any" }],
        }),
    }),
    (running) => running.close(),
  );
  return { origin, gateway };
}

/** Waits until a figure does not change for a while. */
async function settled(what: string, figure: () => number): Promise<number> {
  let last = -1;
  let sinceMs = performance.now();
  await eventually(what, () => {
    if (figure() !== last) {
      last = figure();
      sinceMs = performance.now();
    }
    return performance.now() - sinceMs > 400;
  });
  return last;
}

Deno.test("an upload is taken no faster than the origin takes it, and held nowhere", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await start(stack, { max_request_body: "1GiB" });
  // The first transfers make the heaps grow to their working size.
  for (let turn = 0; turn < 2; turn++) {
    await (await fetch(`${gateway.url}/warm`, { method: "POST", body: patternStream(LARGE_BYTES, () => {}) })).text();
  }
  const before = await residentBytes(gateway);
  let sent = 0;
  const upload = fetch(`${gateway.url}/up?hold`, {
    method: "POST",
    body: patternStream(LARGE_BYTES, (bytes) => sent = bytes),
  });
  const stalledAt = await settled("the upload stalls", () => sent);
  assert.ok(stalledAt < IN_BUFFERS_BYTES, `${stalledAt} bytes were taken`);
  assert.ok(await residentBytes(gateway) - before < GROWTH_BYTES);
  origin.release();
  const response = await upload;
  assert.equal(await response.text(), String(LARGE_BYTES));
  assert.equal(origin.hashes.get("/up?hold"), patternHash(LARGE_BYTES));
  assert.ok(await residentBytes(gateway) - before < GROWTH_BYTES);
});

Deno.test("a download is given no faster than the client takes it, and held nowhere", async (t) => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await start(stack);
  for (let turn = 0; turn < 2; turn++) await drained(await fetch(`${gateway.url}/warm?bytes=${LARGE_BYTES}`));
  const before = await residentBytes(gateway);
  // Also one that could be stored if it were smaller, with and without a length.
  for (const more of ["", "&chunked", "&control=max-age=60", "&control=max-age=60&chunked"]) {
    await t.step(`bytes=${LARGE_BYTES}${more}`, async () => {
      const target = `/down?bytes=${LARGE_BYTES}${more}`;
      const response = await fetch(gateway.url + target);
      const given = await settled("the download stalls", () => origin.moved.get(target) ?? 0);
      assert.ok(given < IN_BUFFERS_BYTES, `${given} bytes were given`);
      assert.equal(await drained(response), patternHash(LARGE_BYTES));
      assert.ok(await residentBytes(gateway) - before < GROWTH_BYTES);
    });
  }
});

Deno.test("a client that leaves ends the request at the origin, in both directions", async () => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await start(stack);
  const target = `/leave?bytes=${LARGE_BYTES}`;
  const response = await fetch(gateway.url + target);
  await response.body!.cancel();
  await eventually("the origin's response is given up", () => origin.ends.get(target) === "broken");

  const stop = new AbortController();
  let sent = 0;
  const upload = fetch(`${gateway.url}/leave-up`, {
    method: "POST",
    body: new ReadableStream({
      pull(controller) {
        if (sent < 4 * 65_536) controller.enqueue(patternChunk(sent));
        sent += 65_536;
        return sent > 4 * 65_536 ? new Promise(() => {}) : undefined;
      },
    }),
    signal: stop.signal,
  });
  await eventually("the origin gets the beginning", () => (origin.moved.get("/leave-up") ?? 0) > 0);
  stop.abort();
  await assert.rejects(upload);
  await eventually("the origin's request is given up", () => origin.ends.get("/leave-up") === "broken");
  assert.equal((await fetch(`${gateway.url}/after?bytes=65536`)).status, 200);
});

Deno.test("a request body over the limit gets 413 and never arrives whole", async (t) => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await start(stack, { max_request_body: "100KiB" });
  await t.step("by its length", async () => {
    const response = await rawRequest(
      gateway.port,
      requestText("POST /declared", [["content-length", "102401"]], "x"),
      { timeoutMs: 6_000 },
    );
    assert.equal(response.status, 413);
    assert.equal(origin.moved.has("/declared"), false);
  });
  await t.step("by its chunks", async () => {
    const chunk = `8000\r\n${"x".repeat(0x8000)}\r\n`;
    const response = await rawRequest(
      gateway.port,
      requestText("POST /chunked", [["transfer-encoding", "chunked"]], chunk.repeat(4) + "0\r\n\r\n"),
      { timeoutMs: 6_000 },
    );
    assert.equal(response.status, 413);
    assert.notEqual(origin.ends.get("/chunked"), "done");
  });
  await t.step("a body of just the limit passes", async () => {
    const body = "x".repeat(102_400);
    for (const [name, init] of [["/length", { body }], ["/stream", { body: new Blob([body]).stream() }]] as const) {
      assert.equal((await fetch(gateway.url + name, { method: "POST", ...init })).status, 200);
      assert.equal(origin.ends.get(name), "done");
    }
  });
});
