import assert from "node:assert/strict";
import { LineBuffer } from "../../lib/logging/line_buffer.ts";

/** A buffer, what it has written, and a promise of its next write. */
function recording(limitChars?: number) {
  const writes: string[] = [];
  let written = () => {};
  const buffer = new LineBuffer((bytes) => {
    writes.push(new TextDecoder().decode(bytes));
    written();
  }, limitChars);
  return { buffer, writes, nextWrite: () => new Promise<void>((resolve) => written = resolve) };
}

Deno.test("push() writes many lines at once, in their order, within its time", async () => {
  const { buffer, writes, nextWrite } = recording();
  const startedMs = performance.now();
  const lines = Array.from({ length: 100 }, (_, at) => `line ${at} é\n`);
  for (const line of lines) buffer.push(line);
  assert.deepEqual(writes, []);
  await nextWrite();
  assert.ok(performance.now() - startedMs >= 15, "they were given time to gather");
  assert.deepEqual(writes, [lines.join("")]);
});

Deno.test("push() never holds more than the limit and a line", () => {
  const { buffer, writes } = recording(100);
  for (let at = 0; at < 1_000; at++) buffer.push("123456789\n");
  assert.equal(writes.length, 100);
  assert.ok(writes.every((text) => text.length === 100));
  buffer.push("x".repeat(5_000) + "\n");
  assert.equal(writes.at(-1)?.length, 5_001);
});

Deno.test("flush() writes what is pending, once, and goes on", () => {
  const { buffer, writes } = recording();
  buffer.flush();
  buffer.push("a\n");
  buffer.flush();
  buffer.flush();
  buffer.push("b\n");
  buffer.flush();
  assert.deepEqual(writes, ["a\n", "b\n"]);
});

Deno.test("push() may be handed on as a function", () => {
  const { buffer, writes } = recording();
  const { push } = buffer;
  push("a\n");
  buffer.flush();
  assert.deepEqual(writes, ["a\n"]);
});

function startNoisy(): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", new URL("./_noisy.ts", import.meta.url).pathname],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

Deno.test("standardOutput() writes every line to the process's standard output", async () => {
  const noisy = startNoisy();
  const reader = noisy.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader.read()).value ?? "";
  await noisy.stdin.close();
  for (let read = await reader.read(); !read.done; read = await reader.read()) text += read.value;
  assert.match(text, /^(a line\n)+the last line\n$/);
  assert.equal(await new Response(noisy.stderr).text(), "still here");
  assert.equal((await noisy.status).code, 0);
});

Deno.test("standardOutput() into a closed pipe loses lines and hurts nobody", async () => {
  const noisy = startNoisy();
  const reader = noisy.stdout.getReader();
  await reader.read();
  await reader.cancel();
  // It is still writing now; only the end of its input makes it stop.
  await new Promise((resolve) => setTimeout(resolve, 100));
  await noisy.stdin.close();
  assert.equal(await new Response(noisy.stderr).text(), "still here");
  assert.equal((await noisy.status).code, 0);
});
