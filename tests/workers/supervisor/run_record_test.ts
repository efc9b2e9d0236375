import assert from "node:assert/strict";
import { join } from "node:path";
import {
  readRunRecords,
  recordFolders,
  type RunRecord,
  runRecordsAt,
  writeRunRecord,
} from "../../../lib/workers/supervisor/run_record.ts";

const RECORD: RunRecord = {
  pid: 42,
  config: "/etc/usher/config.yaml",
  admin: "http://127.0.0.1:6636",
  certificateFile: null,
  key: "0123456789abcdef",
};

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "usher-test-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("recordFolders(): the one that is named alone, else those of the user", () => {
  const folders = (env: Record<string, string>) => recordFolders((name) => env[name]);
  assert.deepEqual(folders({ USHER_RUN_DIR: "/data", XDG_RUNTIME_DIR: "/run/user/7" }), ["/data"]);
  assert.deepEqual(folders({ XDG_RUNTIME_DIR: "/run/user/7", HOME: "/h" }), ["/run/user/7/usher", "/h/.cache/usher"]);
  assert.deepEqual(folders({ XDG_CACHE_HOME: "/c", HOME: "/h" }), ["/c/usher"]);
  assert.deepEqual(folders({ HOME: "" }), []);
});

Deno.test("writeRunRecord(): the first folder that takes it, for its user alone; it is found by file and by address", () =>
  inFolder(async (root) => {
    const blocked = join(root, "file");
    await Deno.writeTextFile(blocked, "");
    const folders = ["/nowhere/that/may/be/written", join(blocked, "below"), join(root, "user/usher")];
    const remove = await writeRunRecord(RECORD, folders);
    const [entry, ...others] = [...Deno.readDirSync(folders[2]!)];
    assert.deepEqual(others, []);
    assert.equal(Deno.statSync(join(folders[2]!, entry!.name)).mode! & 0o777, 0o600);
    assert.equal(Deno.statSync(folders[2]!).mode! & 0o777, 0o700);
    assert.deepEqual(await readRunRecords(RECORD.config, folders), [RECORD]);
    assert.deepEqual(await readRunRecords("/etc/usher/other.yaml", folders), []);
    assert.deepEqual(await runRecordsAt(RECORD.admin, folders), [RECORD]);
    assert.deepEqual(await runRecordsAt("http://127.0.0.1:66", folders), []);
    remove!();
    assert.deepEqual(await readRunRecords(RECORD.config, folders), []);
  }));

Deno.test("writeRunRecord(): a later gateway's record stays when an earlier one ends; none where nothing can be written", () =>
  inFolder(async (root) => {
    const removeFirst = await writeRunRecord(RECORD, [root]);
    const later = { ...RECORD, pid: 43, key: "f".repeat(64) };
    await writeRunRecord(later, [root]);
    removeFirst!();
    assert.deepEqual(await readRunRecords(RECORD.config, [root]), [later]);
    assert.equal(await writeRunRecord(RECORD, ["/nowhere/that/may/be/written"]), null);
    assert.equal(await writeRunRecord(RECORD, []), null);
  }));

Deno.test("writeRunRecord() takes away what killed gateways left whose folder is gone, and nothing else", () =>
  inFolder(async (root) => {
    const kept = join(root, "kept.yaml");
    await Deno.writeTextFile(kept, "");
    await Deno.writeTextFile(join(root, "gateway-other.json"), "{}");
    await writeRunRecord({ ...RECORD, config: kept }, [root]);
    const gone = join(root, "gone/config.yaml");
    await Deno.mkdir(join(root, "gone"));
    await writeRunRecord({ ...RECORD, config: gone }, [root]);
    const input = { ...RECORD, config: join(root, "standard input") };
    await writeRunRecord(input, [root]);
    assert.equal((await readRunRecords(gone, [root])).length, 1);
    await Deno.remove(join(root, "gone"));
    const own = { ...RECORD, config: kept, pid: 43 };
    await writeRunRecord(own, [root]);
    assert.deepEqual(await readRunRecords(gone, [root]), []);
    assert.deepEqual(await readRunRecords(kept, [root]), [own]);
    assert.deepEqual(await readRunRecords(input.config, [root]), [input]);
    assert.ok((await Deno.stat(join(root, "gateway-other.json"))).isFile);
  }));

Deno.test("readRunRecords(): what is no record is none: damage, another shape, another address, too much", () =>
  inFolder(async (root) => {
    await writeRunRecord(RECORD, [root]);
    const path = join(root, [...Deno.readDirSync(root)][0]!.name);
    const wrong = [
      "",
      "{",
      "null",
      "[]",
      JSON.stringify({ ...RECORD, key: 7 }),
      JSON.stringify({ ...RECORD, admin: "http://user@host/" }),
      JSON.stringify({ ...RECORD, admin: "https://elsewhere/?a" }),
      JSON.stringify({ ...RECORD, config: "/etc/usher/other.yaml" }),
      JSON.stringify(RECORD) + " ".repeat(20_000),
    ];
    for (const text of wrong) {
      await Deno.writeTextFile(path, text);
      assert.deepEqual(await readRunRecords(RECORD.config, [root]), [], text.slice(0, 80));
    }
  }));
