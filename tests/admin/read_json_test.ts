import assert from "node:assert/strict";
import { readJson } from "../../lib/admin/read_json.ts";

function post(body: BodyInit | null, type: string | null = "application/json"): Request {
  const headers = new Headers(type === null ? {} : { "content-type": type });
  return new Request("http://127.0.0.1/purge", { method: "POST", headers, body });
}

Deno.test("readJson() reads JSON of any kind, whatever the parameters of its type", async () => {
  for (const type of ["application/json", "Application/JSON; charset=utf-8", "application/json ;x=y"]) {
    assert.deepEqual(await readJson(post('{"a":["é",null]}', type)), { ok: true, value: { a: ["é", null] } });
  }
  assert.deepEqual(await readJson(post("false")), { ok: true, value: false });
});

Deno.test("readJson() refuses what a form or script of another site can send without permission", async () => {
  for (
    const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "text/plain; application/json",
      "application/jsonx",
      "",
      null,
    ]
  ) {
    const reading = await readJson(post(new TextEncoder().encode("{}"), type));
    assert.equal(!reading.ok && reading.status, 415, String(type));
  }
});

Deno.test("readJson() says 400 for what is no JSON", async () => {
  for (const body of ["", "{", "{}x", "undefined", "\u{feff}{]", null]) {
    const reading = await readJson(post(body));
    assert.equal(!reading.ok && reading.status, 400, String(body));
  }
});

Deno.test("readJson() reads on for no more than its limit, however long the body is", async () => {
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 65_536;
      controller.enqueue(new Uint8Array(65_536).fill(32));
    },
  });
  const reading = await readJson(post(endless));
  assert.equal(!reading.ok && reading.status, 413);
  assert.ok(sent < 2 * 1024 * 1024, `${sent} bytes were read`);
  const full = `"${"a".repeat(1024 * 1024 - 2)}"`;
  assert.equal((await readJson(post(full))).ok, true);
});
