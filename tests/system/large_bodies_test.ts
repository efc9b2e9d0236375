/**
 * Bodies larger than any memory that is given to them: 256 MiB, or as large as `USHER_TEST_BODY` says. Once in a while it should say
 * `USHER_TEST_BODY=2GiB`, since there lengths no longer fit into 31 bits.
 */
import assert from "node:assert/strict";
import { parseSizeBytes } from "../../lib/config/yaml/units.ts";
import { residentBytes, type RunningGateway, startGateway } from "./_gateway.ts";
import { drained, patternChunk, patternHash, startStreamingOrigin } from "./_streaming_origin.ts";
import { customPool, testConfig } from "./test_config.ts";

const MIB = 1024 * 1024;
const BODY_BYTES = parseSizeBytes(Deno.env.get("USHER_TEST_BODY") ?? "256MiB")!;
const WARM_UP_BYTES = 128 * MIB;
/** Far less than a body, and the same for any. Chunks that are done with are collected when the runtime sees fit. */
const GROWTH_BYTES = 80 * MIB;
const POLL_MS = 50;
const CHUNK_BYTES = 65_536;
const WARM_UP = "/warm";

async function start(stack: AsyncDisposableStack) {
  const origin = stack.adopt(await startStreamingOrigin(), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          server: { max_request_body: "3GiB" },
          cache: { memory: "8MiB", max_entry: "1MiB" },
          pools: { any: customPool([origin.url]) },
          listeners: [{ name: "any", prefix: "/", pool: "any" }],
        }),
    }),
    (running) => running.close(),
  );
  return { origin, gateway };
}

/** By how much the gateway grew at most while something was under way. */
async function growthBytes(gateway: RunningGateway, beforeBytes: number, underWay: Promise<unknown>): Promise<number> {
  const end = new AbortController();
  const ending = underWay.finally(() => end.abort());
  let mostBytes = 0;
  while (!end.signal.aborted) {
    mostBytes = Math.max(mostBytes, await residentBytes(gateway) - beforeBytes);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  await ending;
  return mostBytes;
}

/** Sends a body in chunks or by its length. By hand: the runtime's client sends no length for a stream, and is slow with one. */
async function upload(gateway: RunningGateway, target: string, framing: "chunks" | "length"): Promise<string> {
  const lengthBytes = target === WARM_UP ? WARM_UP_BYTES : BODY_BYTES;
  using connection = await Deno.connect({ port: gateway.port });
  const field = framing === "length" ? `content-length: ${lengthBytes}` : "transfer-encoding: chunked";
  await writeAll(connection, `POST ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${field}\r\n\r\n`);
  for (let at = 0; at < lengthBytes; at += CHUNK_BYTES) {
    if (framing === "chunks") await writeAll(connection, `${CHUNK_BYTES.toString(16)}\r\n`);
    await writeAll(connection, patternChunk(at));
    if (framing === "chunks") await writeAll(connection, "\r\n");
  }
  if (framing === "chunks") await writeAll(connection, "0\r\n\r\n");
  const text = await new Response(connection.readable).text();
  assert.match(text, /^HTTP\/1\.1 200 /);
  return text.slice(text.indexOf("\r\n\r\n") + 4);
}

async function writeAll(connection: Deno.Conn, data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

Deno.test(`bodies of ${BODY_BYTES / MIB} MiB pass whole in both directions, in flat memory`, async (t) => {
  await using stack = new AsyncDisposableStack();
  const { origin, gateway } = await start(stack);
  const expected = patternHash(BODY_BYTES);
  // The first transfers make the heaps grow to their working size.
  for (const framing of ["chunks", "length"] as const) await upload(gateway, WARM_UP, framing);
  for (const more of ["", "&chunked"]) await drained(await fetch(`${gateway.url}/warm?bytes=${WARM_UP_BYTES}${more}`));
  const before = await residentBytes(gateway);

  for (const name of ["chunks", "length"] as const) {
    await t.step(`an upload by ${name}`, async () => {
      const uploading = upload(gateway, `/up-${name}`, name);
      const growth = await growthBytes(gateway, before, uploading);
      assert.match(await uploading, new RegExp(`\\b${BODY_BYTES}\\b`));
      assert.equal(origin.hashes.get(`/up-${name}`), expected);
      assert.ok(growth < GROWTH_BYTES, `It grew by ${growth} bytes`);
    });
  }
  for (const [name, more] of [["chunks", "&chunked"], ["length", ""]] as const) {
    await t.step(`a download by ${name}`, async () => {
      const response = await fetch(`${gateway.url}/down?bytes=${BODY_BYTES}${more}`);
      assert.equal(response.headers.get("content-length"), name === "length" ? String(BODY_BYTES) : null);
      const downloading = drained(response);
      const growth = await growthBytes(gateway, before, downloading);
      assert.equal(await downloading, expected);
      assert.ok(growth < GROWTH_BYTES, `It grew by ${growth} bytes`);
    });
  }
});
