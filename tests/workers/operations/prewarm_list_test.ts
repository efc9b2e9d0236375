import assert from "node:assert/strict";
import type { ListenerConfig } from "../../../lib/config/listener.ts";
import { configuredTargets, targetsIn, withHost } from "../../../lib/workers/operations/prewarm_targets.ts";

Deno.test("targetsIn() takes one a line, and no comments", () => {
  assert.deepEqual(targetsIn("# films\n/a\n\n  http://h/b?c=d  # the second\r\n/e\n", "list"), [
    "/a",
    "http://h/b?c=d",
    "/e",
  ]);
  assert.deepEqual(targetsIn("", "list"), []);
});

Deno.test("targetsIn() names the line that is no target", () => {
  for (const line of ["movie/550", "ftp://h/a", "/a b", "/a\0"]) {
    assert.throws(() => targetsIn(`/a\n${line}\n`, "list.txt"), { message: /^list\.txt:2: / }, line);
  }
  assert.throws(() => targetsIn("/a\n".repeat(500_001), "list"), { message: /more than 500000/ });
});

Deno.test("withHost() asks under the listener's first exact host, where it has one", () => {
  assert.deepEqual(withHost(["/a", "http://x/b"], ["*.h.example", "h.example"]), ["http://h.example/a", "http://x/b"]);
  assert.deepEqual(withHost(["/a"], ["*.h.example"]), ["/a"]);
});

Deno.test("configuredTargets() joins the list and the file, each target once", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "/b\n/c\n");
    const listener = { hosts: [], prewarm: { targets: ["/a", "/b"], file } } as unknown as ListenerConfig;
    assert.deepEqual(await configuredTargets(listener), ["/a", "/b", "/c"]);
    const missing = { hosts: [], prewarm: { targets: [], file: `${file}.missing` } } as unknown as ListenerConfig;
    await assert.rejects(configuredTargets(missing), Deno.errors.NotFound);
  } finally {
    await Deno.remove(file);
  }
});
