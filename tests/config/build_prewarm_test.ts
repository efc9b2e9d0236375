import assert from "node:assert/strict";
import { buildPrewarm } from "../../lib/config/build_prewarm.ts";
import type { FileValues } from "../../lib/config/schema.ts";

Deno.test("buildPrewarm() makes the file's path absolute and names each target once", () => {
  const prewarm = {
    paths: ["/a", "/b", "/a"],
    file: "lists/a.txt",
    concurrency: 2,
    rate: 3,
    at_start: false,
    every: 10_000,
  };
  assert.deepEqual(buildPrewarm({ prewarm } as FileValues["listeners"][number], "/etc/usher"), {
    targets: ["/a", "/b"],
    file: "/etc/usher/lists/a.txt",
    concurrency: 2,
    ratePerSecond: 3,
    atStart: false,
    everyMs: 10_000,
  });
  const { file: _, every: __, ...bare } = prewarm;
  const built = buildPrewarm({ prewarm: bare } as FileValues["listeners"][number], "/etc/usher");
  assert.deepEqual([built.file, built.everyMs], [null, null]);
});
