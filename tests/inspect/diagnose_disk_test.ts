import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { prepareKvFile } from "../../lib/cache/disk/kv_open.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Finding } from "../../lib/inspect/finding.ts";
import { diagnoseDisk } from "../../lib/inspect/diagnose_disk.ts";
import { shownSize } from "../../lib/inspect/finding.ts";
import { giveAway, hasUnprivileged, takeBack, unprivileged } from "../unprivileged.ts";
import { ANY_CONFIG, configOf, type Mapping } from "../gateway/config_of.ts";

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function findings(dataDir: string, cache: Mapping = {}, isRunning = false): Promise<Record<string, Finding>> {
  const config = await configOf({ ...ANY_CONFIG, server: { data_dir: dataDir }, cache });
  const found = await diagnoseDisk(config, { timeoutMs: 10_000, isRunning });
  return Object.fromEntries(found.map((finding) => [finding.check, finding]));
}

const states = (found: Record<string, Finding>) => Object.values(found).map(({ check, state }) => `${check} ${state}`);

Deno.test("diagnoseDisk() is well with a folder that is there, one to be made, and an opened file", () =>
  inDirectory(async (directory) => {
    const small = { disk: "1MiB", min_free_disk: 0 };
    assert.deepEqual(states(await findings(directory, small)), ["data_dir ok", "kv ok", "disk ok"]);
    assert.deepEqual([...Deno.readDirSync(directory)], [], "nothing is left behind");
    const missing = await findings(join(directory, "a/b"), small);
    assert.deepEqual(states(missing), ["data_dir ok", "disk ok"]);
    assert.match(missing["data_dir"]!.text, /the start makes it/);
    const log = { warn: (problem: string) => assert.fail(problem) };
    await prepareKvFile(join(directory, "usher.kv"), { clock: systemClock, log });
    const opened = await findings(directory, small);
    assert.match(opened["kv"]!.text, /opens/);
    assert.match((await findings(directory, small, true))["kv"]!.text, /in use by the gateway that runs/);
  }));

Deno.test("diagnoseDisk() tells a damaged file and a locked one", () =>
  inDirectory(async (directory) => {
    const path = join(directory, "usher.kv");
    await Deno.writeTextFile(path, "not a database ".repeat(100));
    const damaged = (await findings(directory))["kv"]!;
    assert.equal(damaged.state, "warn");
    assert.match(damaged.remedy!, /puts it aside/);
    await Deno.remove(path);
    const database = new DatabaseSync(path);
    database.exec("create table t (x); pragma locking_mode = exclusive; begin exclusive");
    try {
      const locked = (await findings(directory))["kv"]!;
      assert.equal(locked.state, "warn");
      assert.match(locked.remedy!, /another process has it/);
    } finally {
      database.close();
    }
  }));

Deno.test("diagnoseDisk() fails where the folder is a file, and says what to do", () =>
  inDirectory(async (directory) => {
    const path = join(directory, "file");
    await Deno.writeTextFile(path, "");
    const found = await findings(path);
    assert.equal(found["data_dir"]!.state, "fail");
    assert.match(found["data_dir"]!.remedy!, /`server\.data_dir`/);
    assert.equal(found["kv"], undefined);
  }));

Deno.test({
  name: "diagnoseDisk() fails where the folder is to be made in one of another user, and says whose that is",
  ignore: !hasUnprivileged,
  fn: () =>
    inDirectory(async (directory) => {
      const foreign = join(directory, "foreign");
      await Deno.mkdir(foreign);
      giveAway(foreign, 0o755);
      const [program, ...before] = unprivileged;
      const script = new URL("_diagnose_disk_process.ts", import.meta.url).pathname;
      const permissions = ["--no-prompt", "--allow-read", "--allow-write", "--allow-env"];
      const { stdout } = await new Deno.Command(program!, {
        args: [...before, "run", "--no-check", ...permissions, script, join(foreign, "a/data")],
      }).output();
      const [found] = JSON.parse(new TextDecoder().decode(stdout)) as Finding[];
      assert.equal(found!.state, "fail");
      assert.match(found!.text, /cannot be made: .* folder .*foreign, which belongs to .*uid \d+, mode/);
      takeBack(foreign);
      assert.deepEqual([...Deno.readDirSync(foreign)], [], "nothing is left behind");
    }),
});

Deno.test("diagnoseDisk() holds the room on the disk against what the cache may take", () =>
  inDirectory(async (directory) => {
    const disk = async (cache: Mapping) => (await findings(directory, cache))["disk"]!;
    assert.equal((await disk({ disk: 0 })).state, "ok");
    assert.match((await disk({ disk: "900TiB", min_free_disk: 0 })).remedy!, /lower `cache\.disk`/);
    assert.match((await disk({ min_free_disk: "900TiB" })).remedy!, /make room/);
  }));

Deno.test("shownSize() is whole and short", () => {
  assert.deepEqual([0, 5_000, 300 * 1024 ** 2, 79.4 * 1024 ** 3].map(shownSize), ["0", "5KB", "300MiB", "79GiB"]);
});
