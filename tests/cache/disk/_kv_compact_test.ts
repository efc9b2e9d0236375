import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../../lib/clock.ts";
import { compactKvFile, type CompactOptions } from "../../../lib/cache/disk/_kv_compact.ts";
import type { StoreLog } from "../../../lib/cache/store.ts";
import { beginKvFile, inspectKvFile } from "../../../lib/cache/disk/kv_inspect.ts";

const MIB = 1024 * 1024;
const ROWS = 100;
const value = new Uint8Array(60_000).fill(7);

/** A KV file of 6 MB, of whose rows so many are deleted again. */
async function withFile(
  deleted: number,
  test: (path: string) => void | Promise<void>,
  begin: (path: string) => void = beginKvFile,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "usher-test-" });
  try {
    const path = `${folder}/cache.kv`;
    begin(path);
    const kv = await Deno.openKv(path);
    for (let n = 0; n < ROWS; n += 10) {
      const atomic = kv.atomic();
      for (let at = n; at < n + 10; at++) atomic.set(["row", at], value);
      await atomic.commit();
    }
    for (let n = 0; n < deleted; n++) await kv.delete(["row", n]);
    kv.close();
    await test(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Compacts a file of any size; answers what was logged. */
function compact(path: string, given: Partial<CompactOptions> = {}) {
  const infos: Readonly<Record<string, unknown>>[] = [];
  const warnings: string[] = [];
  const log: StoreLog = {
    info: (_message, fields = {}) => void infos.push(fields),
    warn: (message, fields) => void warnings.push(`${message}: ${fields?.problem}`),
  };
  compactKvFile(path, { clock: systemClock, log, leastFileBytes: MIB, budgetMs: 60_000, ...given });
  return { infos, warnings };
}

const sizeOf = (path: string) => Deno.statSync(path).size;

Deno.test("compactKvFile() writes a file anew that is more than half empty, says so, and loses nothing of it", () =>
  withFile(80, async (path) => {
    const before = sizeOf(path);
    const { infos: [info], warnings } = compact(path);
    assert.deepEqual(warnings, []);
    assert.deepEqual([info?.beforeBytes, info?.afterBytes], [before, sizeOf(path)]);
    assert.ok(sizeOf(path) < before * 0.3, `${before} ${sizeOf(path)}`);
    assert.equal(inspectKvFile(path).kind, "sound");
    const kv = await Deno.openKv(path);
    const left = await Array.fromAsync(kv.list<Uint8Array>({ prefix: ["row"] }));
    kv.close();
    assert.deepEqual(left.map(({ key }) => key[1]), Array.from({ length: 20 }, (_, n) => 80 + n));
    assert.ok(left.every((entry) => entry.value.length === value.length && entry.value.every((byte) => byte === 7)));
  }));

Deno.test("compactKvFile() leaves a file alone that is half full, small, or of an earlier version", async () => {
  await withFile(30, (path) => assert.deepEqual(compact(path), { infos: [], warnings: [] }));
  await withFile(80, (path) => {
    const before = sizeOf(path);
    assert.deepEqual(compact(path, { leastFileBytes: undefined }), { infos: [], warnings: [] });
    assert.equal(sizeOf(path), before);
  });
  const early = (path: string) => {
    using database = new DatabaseSync(path);
    database.exec("pragma page_size = 8192; pragma journal_mode = wal");
  };
  await withFile(80, (path) => {
    const before = sizeOf(path);
    assert.deepEqual(compact(path), { infos: [], warnings: [] });
    assert.equal(sizeOf(path), before);
  }, early);
});

Deno.test("compactKvFile() stops when its time is over, with a sound file, and goes on at the next start", () =>
  withFile(97, (path) => {
    const before = sizeOf(path);
    let turns = 0;
    const clock = { ...systemClock, now: () => turns++ * 600 };
    const [first] = compact(path, { clock, budgetMs: 1_000 }).infos;
    const between = sizeOf(path);
    assert.ok(between < before && between > before * 0.3, `${before} ${between}`);
    assert.equal(first?.afterBytes, between);
    assert.equal(inspectKvFile(path).kind, "sound");
    compact(path);
    assert.ok(sizeOf(path) < before * 0.3, `${before} ${sizeOf(path)}`);
  }));

Deno.test("compactKvFile() makes no file where there is none, and leaves one that another process has, with a warning", async () => {
  const nowhere = `${Deno.cwd()}/none.kv`;
  assert.deepEqual(compact(nowhere), { infos: [], warnings: [] });
  assert.throws(() => Deno.statSync(nowhere), Deno.errors.NotFound);
  await withFile(80, (path) => {
    using other = new DatabaseSync(path);
    other.exec("begin immediate");
    const before = sizeOf(path);
    assert.equal(compact(path).warnings.length, 1);
    assert.equal(sizeOf(path), before);
  });
});
