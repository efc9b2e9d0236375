import assert from "node:assert/strict";
import { join } from "node:path";
import { claimKvFile } from "../../../lib/cache/disk/kv_claim.ts";
import { systemClock } from "../../../lib/clock.ts";

/** The permission bits of a path and of what is in it, as octal text by name. */
async function modesOf(folder: string): Promise<Record<string, string>> {
  const octal = async (path: string) => (((await Deno.lstat(path)).mode ?? 0) & 0o777).toString(8);
  const modes: Record<string, string> = { ".": await octal(folder) };
  for await (const { name } of Deno.readDir(folder)) modes[name] = await octal(join(folder, name));
  return modes;
}

/** Claims the KV file of a folder, opens it as workers do, and tells the modes meanwhile; what was warned of beside. */
async function claimed(folder: string) {
  const warnings: unknown[] = [];
  const log = { warn: (message: string, fields?: unknown) => void warnings.push([message, fields]) };
  const { file, release } = await claimKvFile(join(folder, "usher.kv"), { clock: systemClock, log });
  assert.ok(file.path !== null, JSON.stringify(warnings));
  using kv = await Deno.openKv(file.path);
  await kv.set(["a"], 1);
  const modes = await modesOf(folder);
  release();
  return { modes, warnings };
}

Deno.test("claimKvFile() makes folder and files for this user alone, the log of SQLite too", async () => {
  const above = await Deno.makeTempDir();
  try {
    const { modes, warnings } = await claimed(join(above, "deep/data"));
    const names = ["usher.kv", "usher.kv-shm", "usher.kv-wal", "usher.kv.lock"];
    assert.deepEqual(modes, { ".": "700", ...Object.fromEntries(names.map((name) => [name, "600"])) });
    assert.deepEqual(warnings, []);
  } finally {
    await Deno.remove(above, { recursive: true });
  }
});

Deno.test("claimKvFile() mends what an earlier version left open, and leaves a folder alone in which others' things lie", async () => {
  const above = await Deno.makeTempDir();
  try {
    const folder = join(above, "data");
    await claimed(folder);
    const open = async () => {
      await Deno.chmod(folder, 0o755);
      for (const name of Object.keys(await modesOf(folder))) {
        if (name !== ".") await Deno.chmod(join(folder, name), 0o644);
      }
    };
    await open();
    await Deno.writeTextFile(join(folder, "usher.kv.corrupt-20260102T030405Z"), "");
    await Deno.chmod(join(folder, "usher.kv.corrupt-20260102T030405Z"), 0o644);
    const mended = await claimed(folder);
    assert.deepEqual(
      Object.entries(mended.modes).filter(([name, mode]) => mode !== (name === "." ? "700" : "600")),
      [],
    );
    assert.match(
      JSON.stringify(mended.warnings),
      /Other users could read the files of the disk cache.*"files":"[^"]*usher\.kv/,
    );
    await open();
    await Deno.writeTextFile(join(folder, "photos.txt"), "");
    await Deno.chmod(join(folder, "photos.txt"), 0o644);
    const { modes } = await claimed(folder);
    assert.deepEqual([modes["."], modes["photos.txt"], modes["usher.kv"], modes["usher.kv-wal"]], [
      "755",
      "644",
      "600",
      "600",
    ]);
  } finally {
    await Deno.remove(above, { recursive: true });
  }
});
