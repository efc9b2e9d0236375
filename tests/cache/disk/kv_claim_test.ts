import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { awaitKvFile, claimKvFile } from "../../../lib/cache/disk/kv_claim.ts";
import { newPurge } from "../../../lib/cache/purge/purge_table.ts";
import { loadPurges, savePurges } from "../../../lib/cache/purge/saved_purges.ts";
import { KvStateStore } from "../../../lib/state/kv_state_store.ts";
import { HandClock, KeptLog } from "./opened_kv.ts";

/** A data directory, and claims to its file that are given back at the end. */
class Claims implements AsyncDisposable {
  readonly log = new KeptLog();
  readonly #stack = new DisposableStack();

  private constructor(readonly directory: string) {}

  static async open(): Promise<Claims> {
    return new Claims(await Deno.makeTempDir());
  }

  get path(): string {
    return `${this.directory}/usher.kv`;
  }

  async claim() {
    const claimed = await claimKvFile(this.path, { clock: new HandClock(), log: this.log });
    this.#stack.defer(claimed.release);
    return claimed;
  }

  files(): string[] {
    return [...Deno.readDirSync(this.directory)].map(({ name }) => name).filter((name) => name.endsWith(".kv")).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stack.dispose();
    await Deno.remove(this.directory, { recursive: true });
  }
}

Deno.test("claimKvFile() gives the file to one process at a time, and after it to the next", async () => {
  await using claims = await Claims.open();
  const first = await claims.claim();
  assert.deepEqual([first.file.path, first.purgePath, first.file.problem], [claims.path, claims.path, null]);
  first.release();
  assert.equal((await claims.claim()).file.path, claims.path);
  assert.deepEqual(claims.log.lines, []);
});

Deno.test("claimKvFile() leaves a file alone that another gateway uses: memory serves, and purges are saved there", async () => {
  await using claims = await Claims.open();
  const first = await claims.claim();
  const second = await claims.claim();
  assert.deepEqual([second.file.path, second.purgePath], [null, claims.path]);
  assert.match(second.file.problem!, /another gateway uses .*usher\.kv: each needs a server\.data_dir/);
  assert.deepEqual(claims.log.lines.map(({ message }) => message), [
    "Cannot use the disk cache: serving from memory alone",
  ]);
  assert.deepEqual(claims.files(), ["usher.kv"]);
  second.release();
  assert.equal((await claims.claim()).file.path, null, "the first one has it still");
  const setLayout = (layout: number) => {
    using database = new DatabaseSync(claims.path);
    database.exec(`pragma user_version = ${layout}`);
  };
  setLayout(99);
  assert.equal((await claims.claim()).purgePath, null, "nothing is written to what another version has laid out");
  setLayout(3);
  first.release();
  assert.equal((await claims.claim()).file.path, claims.path);
});

Deno.test("claimKvFile() leaves a file alone that another program has locked", async () => {
  await using claims = await Claims.open();
  (await claims.claim()).release();
  const other = new DatabaseSync(claims.path);
  other.exec("pragma locking_mode = exclusive; begin exclusive; insert into data_version values (99, 1, 1)");
  const second = await claims.claim();
  assert.deepEqual([second.file.path, second.purgePath], [null, null]);
  assert.match(second.file.problem!, /locked/);
  other.exec("rollback");
  other.close();
  assert.equal((await claims.claim()).file.path, claims.path, "nobody holds what nobody uses");
});

Deno.test("claimKvFile() replaces a damaged file, and says why where none can be made", async () => {
  await using claims = await Claims.open();
  await Deno.writeTextFile(claims.path, "this is no database\n".repeat(1000), { mode: 0o600 });
  const claimed = await claims.claim();
  assert.equal(claimed.file.path, claims.path);
  assert.ok(claimed.file.setAside);
  const nowhere = await claimKvFile(`${claims.path}/in/a/file.kv`, { clock: new HandClock(), log: claims.log });
  assert.deepEqual([nowhere.file.path, nowhere.purgePath], [null, null]);
  assert.equal(claims.log.lines.length, 2);
});

Deno.test("claimKvFile() takes over the purges that an earlier version saved beside the file, unless a gateway uses them", async () => {
  await using claims = await Claims.open();
  const rules = [2, 4].map((n) => newPurge({ kind: "all", listener: `l${n}` }, { soft: false, nowMs: n }));
  for (const [at, name] of ["usher-2.kv", "usher-4.kv"].entries()) {
    const { release } = await claimKvFile(`${claims.directory}/${name}`, { clock: new HandClock(), log: claims.log });
    using kv = await Deno.openKv(`${claims.directory}/${name}`);
    await savePurges(new KvStateStore(kv), [rules[at]!]);
    release();
  }
  using used = await Deno.open(`${claims.directory}/usher-4.kv.lock`, { write: true });
  await used.lock(true);
  const saved = async () => {
    using kv = await Deno.openKv(claims.path);
    return await loadPurges(new KvStateStore(kv));
  };
  const first = await claims.claim();
  assert.deepEqual(await saved(), rules.slice(0, 1));
  assert.deepEqual(claims.files(), ["usher-4.kv", "usher.kv"]);
  first.release();
  await used.unlock();
  await claims.claim();
  assert.deepEqual((await saved()).toSorted((a, b) => a.timeMs - b.timeMs), rules);
  assert.deepEqual([claims.files(), claims.log.lines], [["usher.kv"], []]);
});

Deno.test("awaitKvFile() claims a file as soon as the gateway or program that has it lets go", async () => {
  await using claims = await Claims.open();
  const options = { clock: new HandClock(), log: claims.log };
  const first = await claims.claim();
  assert.equal(first.isAwaited, false);
  assert.equal((await claims.claim()).isAwaited, true);
  const ending = new AbortController();
  const given = awaitKvFile(claims.path, options, ending.signal);
  first.release();
  const second = (await given)!;
  assert.equal(second.file.path, claims.path);
  second.release();
  const other = new DatabaseSync(claims.path);
  other.exec("pragma locking_mode = exclusive; begin exclusive; insert into data_version values (99, 1, 1)");
  assert.equal((await claims.claim()).isAwaited, true);
  const third = awaitKvFile(claims.path, options, ending.signal);
  const never = awaitKvFile(claims.path, options, AbortSignal.abort());
  assert.equal(await never, null);
  other.exec("rollback");
  other.close();
  const claimed = (await third)!;
  assert.equal(claimed.file.path, claims.path);
  claimed.release();
});
