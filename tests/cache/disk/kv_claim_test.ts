import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { claimKvFile } from "../../../lib/cache/disk/kv_claim.ts";
import { markDamaged } from "../../../lib/cache/disk/kv_open.ts";
import { loadPurges, newPurge, savePurge } from "../../../lib/cache/purge/purge_table.ts";
import { HandClock, KeptLog } from "./opened_kv.ts";

/** A data directory, and claims to its file that are given back at the end. */
class Claims implements AsyncDisposable {
  readonly log = new KeptLog();
  readonly #stack = new DisposableStack();

  private constructor(readonly directory: string) {}

  static async open(): Promise<Claims> {
    return new Claims(await Deno.makeTempDir());
  }

  path(name = "usher.kv"): string {
    return `${this.directory}/${name}`;
  }

  async claim() {
    const claimed = await claimKvFile(this.path(), { clock: new HandClock(), log: this.log });
    this.#stack.defer(claimed.release);
    return { ...claimed, name: claimed.file.path?.slice(this.directory.length + 1) };
  }

  /** As another program that works on the file. */
  lock(name = "usher.kv"): { unlock(): void } {
    const holder = new DatabaseSync(this.path(name));
    holder.exec("pragma locking_mode = exclusive; begin exclusive; insert into data_version values (99, 1, 1)");
    return { unlock: () => (holder.exec("rollback"), holder.close()) };
  }

  files(): string[] {
    return [...Deno.readDirSync(this.directory)].map(({ name }) => name).filter((name) => name.endsWith(".kv")).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stack.dispose();
    await Deno.remove(this.directory, { recursive: true });
  }
}

async function withKv<Result>(path: string, use: (kv: Deno.Kv) => Promise<Result>): Promise<Result> {
  using kv = await Deno.openKv(path);
  return await use(kv);
}

Deno.test("claimKvFile() gives the usual file to one at a time, and after it the next", async () => {
  await using claims = await Claims.open();
  const first = await claims.claim();
  assert.deepEqual([first.name, first.beside, first.file.problem], ["usher.kv", null, null]);
  first.release();
  assert.equal((await claims.claim()).name, "usher.kv");
  assert.deepEqual([claims.log.lines, claims.files()], [[], ["usher.kv"]]);
});

Deno.test("claimKvFile() begins a file beside one that another gateway uses, each its own, and tells it", async () => {
  await using claims = await Claims.open();
  await claims.claim();
  const second = await claims.claim();
  const third = await claims.claim();
  assert.deepEqual([second.name, third.name], ["usher-2.kv", "usher-3.kv"]);
  assert.deepEqual(second.beside, { reservedBytes: 0 }, "the other one has a limit of its own");
  assert.match(second.file.problem ?? "", /another gateway/);
  assert.deepEqual(claims.log.lines.map(({ fields }) => fields["path"]), [second.file.path, third.file.path]);
  await withKv(second.file.path!, async (kv) => assert.ok((await kv.set(["works"], 1)).ok));
});

Deno.test("claimKvFile() begins a file beside one that another program has locked, within what that one leaves", async () => {
  await using claims = await Claims.open();
  (await claims.claim()).release();
  const other = claims.lock();
  const second = await claims.claim();
  assert.equal(second.name, "usher-2.kv");
  assert.ok(second.beside!.reservedBytes >= Deno.statSync(claims.path()).size);
  assert.match(second.file.problem ?? "", /locked/);
  second.release();
  other.unlock();
  assert.equal((await claims.claim()).name, "usher.kv", "it is taken again as soon as it is to be had");
  assert.deepEqual(claims.files(), ["usher.kv"]);
});

Deno.test("claimKvFile() removes what stood in only when its process is gone", async () => {
  await using claims = await Claims.open();
  const first = await claims.claim();
  const second = await claims.claim();
  const third = await claims.claim();
  first.release();
  second.release();
  await Deno.writeTextFile(claims.path("usher-2.kv.corrupt-20260102T030405Z"), "");
  markDamaged(claims.path("usher-2.kv"));
  assert.equal((await claims.claim()).name, "usher.kv");
  assert.deepEqual(claims.files(), ["usher-3.kv", "usher.kv"]);
  const left = [...Deno.readDirSync(claims.directory)].filter(({ name }) => name.startsWith("usher-2"));
  assert.deepEqual(left.map(({ name }) => name), ["usher-2.kv.lock"]);
  assert.equal((await claims.claim()).name, "usher-2.kv");
  third.release();
});

Deno.test("claimKvFile() begins each stand-in anew: it has missed what was purged meanwhile", async () => {
  await using claims = await Claims.open();
  await claims.claim();
  const second = await claims.claim();
  await withKv(second.file.path!, (kv) => kv.set(["old"], 1));
  second.release();
  const third = await claims.claim();
  assert.equal((await withKv(third.file.path!, (kv) => kv.get(["old"]))).value, null);
  assert.equal(claims.files().length, 2);
});

Deno.test("claimKvFile() brings the purges of stand-ins into the file that is used after them", async () => {
  await using claims = await Claims.open();
  const first = await claims.claim();
  const second = await claims.claim();
  const third = await claims.claim();
  const rules = ["/dead", "/alive"].map((target) =>
    newPurge({ kind: "url", listener: "films", target }, { soft: false, nowMs: 1_000 })
  );
  await withKv(second.file.path!, (kv) => savePurge(kv, rules[0]!));
  await withKv(third.file.path!, (kv) => savePurge(kv, rules[1]!));
  second.release();
  // The usual one is in use still: they go on in what stands in next.
  const fourth = await claims.claim();
  assert.deepEqual(await withKv(fourth.file.path!, (kv) => loadPurges(kv)).then((found) => found.length), 2);
  fourth.release();
  first.release();
  const last = await claims.claim();
  assert.equal(last.name, "usher.kv");
  const found = await withKv(last.file.path!, (kv) => loadPurges(kv));
  assert.deepEqual(found.map(({ id }) => id).sort(), rules.map(({ id }) => id).sort());
});

Deno.test("claimKvFile() leaves memory to serve where all files are taken", async () => {
  await using claims = await Claims.open();
  for (let n = 0; n < 4; n++) assert.ok((await claims.claim()).file.path);
  const fifth = await claims.claim();
  assert.deepEqual([fifth.file.path, fifth.beside], [null, null]);
  assert.match(claims.log.lines.at(-1)!.message, /memory alone/);
  assert.equal(claims.files().length, 4);
});

Deno.test("claimKvFile() replaces a damaged file, and says why where none can be made", async () => {
  await using claims = await Claims.open();
  await Deno.writeTextFile(claims.path(), "this is no database\n".repeat(1000));
  const claimed = await claims.claim();
  assert.equal(claimed.name, "usher.kv");
  assert.ok(claimed.file.setAside);
  const nowhere = await claimKvFile(`${claims.path()}/in/a/file.kv`, { clock: new HandClock(), log: claims.log });
  assert.equal(nowhere.file.path, null);
  assert.equal(claims.log.lines.length, 2);
});
