import assert from "node:assert/strict";
import { join } from "node:path";
import { createLogger } from "../../../lib/logging/logger.ts";
import { DiskWatch } from "../../../lib/workers/supervisor/disk_watch.ts";

Deno.test("DiskWatch says once that the file, or its folder, is gone or another's, and that it is back", async () => {
  const above = await Deno.makeTempDir();
  try {
    const folder = join(above, "data");
    const path = join(folder, "usher.kv");
    await Deno.mkdir(folder);
    await Deno.writeTextFile(path, "");
    let used: string | null = null;
    const lines: string[] = [];
    const sink = (line: string) => void lines.push(line.replace(/ path=.*/, "").trim().slice(25));
    const logger = createLogger({ level: "info", format: "text", sink, now: () => 0 });
    const watch = new DiskWatch({ path: () => used, logger });
    const look = () => (watch.look(), watch.look(), lines.splice(0));
    assert.deepEqual([look(), watch.problem], [[], null]);
    used = path;
    assert.deepEqual(look(), []);
    await Deno.rename(path, `${path}.away`);
    assert.deepEqual(look(), ["ERROR The file of the disk cache was removed while it was in use"]);
    await Deno.rename(`${path}.away`, path);
    assert.deepEqual([look(), watch.problem], [["INFO  The disk cache is in its place again"], null]);
    await Deno.rename(folder, `${folder}.away`);
    assert.deepEqual(look(), ["ERROR The folder of the disk cache was removed while it was in use"]);
    assert.match(watch.problem ?? "", /^The folder/);
    await Deno.mkdir(folder);
    await Deno.writeTextFile(path, "");
    assert.deepEqual(look(), ["ERROR Another file was put in the place of the disk cache while it was in use"]);
  } finally {
    await Deno.remove(above, { recursive: true });
  }
});
