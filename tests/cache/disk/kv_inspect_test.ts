import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { beginKvFile, inspectKvFile, PAGE_BYTES } from "../../../lib/cache/disk/kv_inspect.ts";

async function withFile(body: (path: string) => Promise<void> | void): Promise<void> {
  const directory = await Deno.makeTempDir();
  beginKvFile(`${directory}/a.kv`);
  const kv = await Deno.openKv(`${directory}/a.kv`);
  for (let n = 0; n < 50; n++) await kv.set([n], new Uint8Array(3000));
  kv.close();
  try {
    await body(`${directory}/a.kv`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("inspectKvFile() finds nothing wrong with a sound file, an empty one, or none", () =>
  withFile(async (path) => {
    assert.equal(inspectKvFile(path).kind, "sound");
    assert.equal(inspectKvFile(`${path}.none`).kind, "sound");
    await Deno.writeFile(`${path}.empty`, new Uint8Array(0));
    assert.equal(inspectKvFile(`${path}.empty`).kind, "sound");
  }));

Deno.test("inspectKvFile() does not disturb a file that is in use", () =>
  withFile(async (path) => {
    const kv = await Deno.openKv(path);
    await kv.set(["new"], 1);
    assert.equal(inspectKvFile(path).kind, "sound");
    assert.equal((await kv.get(["new"])).value, 1);
    kv.close();
  }));

Deno.test("inspectKvFile() says what is wrong with a damaged file", () =>
  withFile(async (path) => {
    const bytes = await Deno.readFile(path);
    await Deno.writeFile(path, bytes.fill(0x55, PAGE_BYTES * 5, PAGE_BYTES * 12));
    const verdict = inspectKvFile(path);
    assert.equal(verdict.kind, "damaged");
    assert.ok("problem" in verdict && verdict.problem !== "");
  }));

Deno.test("inspectKvFile() tells a locked file from a damaged one", () =>
  withFile((path) => {
    const holder = new DatabaseSync(path);
    holder.exec("pragma locking_mode = exclusive; begin exclusive; delete from kv");
    assert.equal(inspectKvFile(path).kind, "locked");
    holder.exec("rollback");
    holder.close();
  }));

Deno.test("inspectKvFile() tells a file that was laid out by another version", async () => {
  const directory = await Deno.makeTempDir();
  const kv = await Deno.openKv(`${directory}/old.kv`);
  await kv.set(["r"], 1);
  kv.close();
  const verdict = inspectKvFile(`${directory}/old.kv`);
  assert.ok(verdict.kind === "other_layout" && verdict.layout === 0, verdict.kind);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("beginKvFile() makes a file with large pages, which Deno KV keeps, and leaves one that is there as it is", () =>
  withFile((path) => {
    beginKvFile(path);
    const database = new DatabaseSync(path);
    assert.deepEqual({ ...database.prepare("pragma page_size").get() }, { page_size: PAGE_BYTES });
    assert.deepEqual({ ...database.prepare("select count(*) as rows from kv").get() }, { rows: 50 });
    database.close();
  }));
