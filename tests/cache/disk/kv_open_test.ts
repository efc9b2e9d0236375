import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import {
  freeBytesBeside,
  logBytesBeside,
  markDamaged,
  openKvFile,
  prepareKvFile,
  saysDamaged,
} from "../../../lib/cache/disk/kv_open.ts";
import { beginKvFile, PAGE_BYTES } from "../../../lib/cache/disk/kv_inspect.ts";
import { HandClock, KeptLog } from "./opened_kv.ts";

async function withPath(body: (path: string, log: KeptLog) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await body(`${directory}/data/cache.kv`, new KeptLog());
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function prepare(path: string, log: KeptLog) {
  return prepareKvFile(path, { clock: new HandClock(Date.UTC(2026, 0, 2, 3, 4, 5)), log });
}

/** A KV file with rows in it, closed. */
async function fill(path: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  beginKvFile(path);
  const kv = await Deno.openKv(path);
  for (let n = 0; n < 300; n++) await kv.set(["row", n], new Uint8Array(3000));
  kv.close();
}

async function assertWorks(path: string): Promise<void> {
  const kv = await openKvFile(path, { clock: new HandClock(), log: new KeptLog() });
  assert.ok(kv !== null);
  await kv.set(["works"], 1);
  assert.equal((await kv.get(["works"])).value, 1);
  kv.close();
}

Deno.test("prepareKvFile() makes a file where there is none", () =>
  withPath(async (path, log) => {
    assert.deepEqual(await prepare(path, log), { path, problem: null, setAside: null });
    await assertWorks(path);
    assert.deepEqual(log.lines, []);
  }));

Deno.test("prepareKvFile() leaves a sound file as it is", () =>
  withPath(async (path, log) => {
    await fill(path);
    assert.deepEqual(await prepare(path, log), { path, problem: null, setAside: null });
    const kv = await Deno.openKv(path);
    assert.ok((await kv.get(["row", 299])).value instanceof Uint8Array);
    kv.close();
  }));

const DAMAGES: ReadonlyArray<readonly [name: string, damage: (path: string) => Promise<void>]> = [
  ["that is no database", async (path) => await Deno.writeFile(path, new Uint8Array(50_000).fill(77))],
  ["that was cut off", async (path) => await Deno.truncate(path, 200_000)],
  ["with damaged pages, at which Deno KV would end the process", async (path) => {
    const bytes = await Deno.readFile(path);
    for (let at = 2 * PAGE_BYTES; at < bytes.length; at += PAGE_BYTES) bytes.fill(0xaa, at, at + 2000);
    await Deno.writeFile(path, bytes);
  }],
  ["with one damaged page", async (path) => {
    const bytes = await Deno.readFile(path);
    bytes.fill(0xaa, 20 * PAGE_BYTES, 21 * PAGE_BYTES);
    await Deno.writeFile(path, bytes);
  }],
  ["that is another program's database", async (path) => {
    await Deno.remove(path);
    const database = new DatabaseSync(path);
    database.exec("create table kv (other text); insert into kv values ('data')");
    database.close();
  }],
  ["that was found damaged while in use", (path) => Promise.resolve(markDamaged(path))],
  ["that is a directory", async (path) => {
    await Deno.remove(path);
    await Deno.mkdir(path);
  }],
];

for (const [name, damage] of DAMAGES) {
  Deno.test(`prepareKvFile() puts a file aside ${name}, tells it, and begins a new one`, () =>
    withPath(async (path, log) => {
      await fill(path);
      for (const suffix of ["-wal", "-shm"]) await Deno.remove(path + suffix).catch(() => {});
      await damage(path);
      const prepared = await prepare(path, log);
      assert.equal(prepared.path, path);
      assert.equal(prepared.setAside, `${path}.corrupt-20260102T030405Z`);
      assert.ok(prepared.problem);
      assert.ok(await Deno.stat(prepared.setAside));
      assert.equal(log.lines.length, 1);
      await assertWorks(path);
      assert.equal((await prepare(path, log)).setAside, null);
    }));
}

Deno.test("prepareKvFile() puts a file of another layout aside with its log, tells it, and begins a new one", () =>
  withPath(async (path, log) => {
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    const old = await Deno.openKv(path);
    await old.set(["r"], 1);
    old.close();
    const setAside = `${path}.layout-0`;
    const prepared = await prepare(path, log);
    assert.deepEqual([prepared.path, prepared.setAside, log.lines.length], [path, setAside, 1]);
    await assertWorks(path);
    assert.deepEqual(await prepare(path, log), { path, problem: null, setAside: null });
    const kept = await Deno.openKv(setAside);
    assert.equal((await kept.get(["r"])).value, 1);
    kept.close();
  }));

Deno.test("prepareKvFile() keeps one damaged file at most", () =>
  withPath(async (path, log) => {
    for (let n = 0; n < 3; n++) {
      await fill(path);
      await Deno.writeFile(path, new Uint8Array(5000).fill(n + 1));
      await prepareKvFile(path, { clock: new HandClock(1e12 + n * 60_000), log });
    }
    const names = [...Deno.readDirSync(path.slice(0, path.lastIndexOf("/")))].map((entry) => entry.name);
    assert.equal(names.filter((name) => name.includes(".corrupt-")).length, 1);
  }));

Deno.test("prepareKvFile() leaves a file alone that another has locked", () =>
  withPath(async (path, log) => {
    await fill(path);
    const holder = new DatabaseSync(path);
    holder.exec("pragma locking_mode = exclusive; begin exclusive; insert into data_version values (99, 1, 1)");
    const prepared = await prepare(path, log);
    holder.exec("rollback");
    holder.close();
    assert.equal(prepared.path, null);
    assert.equal(prepared.setAside, null);
    assert.match(prepared.problem ?? "", /locked/);
    assert.equal(log.lines.length, 1);
    await assertWorks(path);
  }));

Deno.test("prepareKvFile() tells where no file can be made, and does not throw", () =>
  withPath(async (path, log) => {
    await Deno.writeTextFile(path.slice(0, path.lastIndexOf("/")), "a file where the directory should be");
    const prepared = await prepare(path, log);
    assert.equal(prepared.path, null);
    assert.equal(log.lines.length, 1);
  }));

Deno.test("openKvFile() answers null, with a warning, for what it cannot open", () =>
  withPath(async (path, log) => {
    assert.equal(await openKvFile(path, { clock: new HandClock(), log }), null);
    assert.equal(log.lines.length, 1);
  }));

Deno.test("saysDamaged() tells damage from other trouble", () => {
  assert.ok(saysDamaged(new TypeError("database disk image is malformed")));
  assert.ok(saysDamaged(new Error("file is not a database")));
  assert.ok(!saysDamaged(new Error("database or disk is full")));
  assert.ok(!saysDamaged(new Error("disk I/O error")));
});

Deno.test("freeBytesBeside() tells the free space of a disk, and null where there is no such place", () =>
  withPath((path) => {
    const parent = path.replace(/\/data\/.*/, "/x");
    assert.ok((freeBytesBeside(parent) ?? 0) > 0);
    assert.equal(freeBytesBeside("/nowhere/at/all"), null);
    return Promise.resolve();
  }));

Deno.test("logBytesBeside() tells the log's size, and 0 where there is none", () =>
  withPath(async (path) => {
    assert.equal(logBytesBeside(path), 0);
    await fill(path);
    await Deno.writeFile(`${path}-wal`, new Uint8Array(5_000));
    assert.equal(logBytesBeside(path), 5_000);
  }));
