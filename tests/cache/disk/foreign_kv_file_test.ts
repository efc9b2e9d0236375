import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type PreparedKvFile, prepareKvFile } from "../../../lib/cache/disk/kv_open.ts";
import { giveAway, hasUnprivileged, takeBack, unprivileged } from "../../unprivileged.ts";

/** What is not this user's, and whose word the warning is to name. */
interface Case {
  readonly name: string;
  readonly arrange: (path: string) => void;
  /** The part that the warning names; a folder by `/`. */
  readonly named: string;
}

const CASES: readonly Case[] = [
  { name: "a sound file", arrange: (path) => giveAway(path), named: "usher.kv" },
  { name: "a file that nobody else may read", arrange: (path) => giveAway(path, 0o600), named: "usher.kv" },
  {
    name: "a damaged file",
    arrange(path) {
      Deno.writeFileSync(path, new Uint8Array(50_000).fill(77));
      giveAway(path);
    },
    named: "usher.kv",
  },
  {
    name: "a file that was found damaged while in use",
    arrange(path) {
      Deno.writeTextFileSync(`${path}.damaged`, "damaged\n");
      giveAway(path);
    },
    named: "usher.kv",
  },
  {
    name: "an empty file",
    arrange(path) {
      Deno.truncateSync(path);
      giveAway(path);
    },
    named: "usher.kv",
  },
  {
    name: "a file that another program, or version, has laid out",
    arrange(path) {
      Deno.removeSync(path);
      const database = new DatabaseSync(path);
      database.exec("create table kv (other text)");
      database.close();
      giveAway(path);
    },
    named: "usher.kv",
  },
  { name: "a file that all may read only", arrange: (path) => giveAway(path, 0o444), named: "usher.kv" },
  ...["-wal", "-shm", "-journal"].map((suffix): Case => ({
    name: `a file's ${suffix}`,
    arrange(path) {
      Deno.writeTextFileSync(path + suffix, "");
      giveAway(path + suffix);
    },
    named: `usher.kv${suffix}`,
  })),
  { name: "the folder", arrange: (path) => giveAway(join(path, ".."), 0o755), named: "/" },
  {
    name: "the folder, that nobody else may look into",
    arrange: (path) => giveAway(join(path, ".."), 0o700),
    named: "usher.kv",
  },
  {
    name: "the folder in which that of the file is to be made",
    arrange(path) {
      Deno.removeSync(join(path, ".."), { recursive: true });
      giveAway(join(path, "../.."), 0o755);
    },
    named: "/",
  },
  {
    name: "the folder, without a file",
    arrange(path) {
      Deno.removeSync(path);
      giveAway(join(path, ".."), 0o755);
    },
    named: "/",
  },
];

interface Claimed {
  readonly file: PreparedKvFile;
  readonly purgePath: string | null;
  readonly warnings: { readonly message: string; readonly fields: { readonly problem: string } }[];
}

async function claimAll(paths: readonly string[]): Promise<Claimed[]> {
  const [program, ...before] = unprivileged;
  const script = new URL("_claim_process.ts", import.meta.url).pathname;
  const permissions = [
    "--no-prompt",
    "--allow-read",
    "--allow-sys=statfs",
    `--allow-write=${join(paths[0]!, "../../..")}`,
  ];
  const { stdout, stderr } = await new Deno.Command(program!, {
    args: [...before, "run", "--no-check", ...permissions, script, ...paths],
  }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  assert.equal(lines.length, paths.length, new TextDecoder().decode(stderr));
  return lines.map((line) => JSON.parse(line));
}

/** Names, owners and content of all that is in a folder; nothing where it is not there. */
function contentOf(folder: string): unknown[] {
  if (!existsSync(folder)) return [];
  return [...Deno.readDirSync(folder)].map(({ name }) => {
    const { uid, mode } = Deno.statSync(join(folder, name));
    return [name, uid, mode, Deno.readFileSync(join(folder, name)).join()];
  }).sort();
}

async function makeFile(folder: string): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  const path = join(folder, "usher.kv");
  await prepareKvFile(path, { clock: { now: () => 1_000 }, log: { warn: () => {} } });
  const kv = await Deno.openKv(path);
  await kv.set(["kept"], "by its owner");
  kv.close();
  return path;
}

Deno.test({
  name: "claimKvFile() leaves alone what this user may not write, says whose it is, and leaves memory to serve",
  ignore: !hasUnprivileged,
  async fn(t) {
    const directory = await Deno.makeTempDir();
    const paths: string[] = [];
    for (const [index, { arrange }] of CASES.entries()) {
      const path = await makeFile(join(directory, String(index), "data"));
      arrange(path);
      paths.push(path);
    }
    const before = paths.map((path) => contentOf(join(path, "..")));
    const all = await claimAll(paths);
    for (const [index, { name, named }] of CASES.entries()) {
      await t.step(name, () => {
        const { file, purgePath, warnings } = all[index]!;
        assert.deepEqual([file.path, file.setAside, purgePath], [null, null, null]);
        assert.equal(warnings.length, 1, JSON.stringify(warnings));
        assert.match(warnings[0]!.message, /memory alone/);
        const [, what, part] =
          /^this user may not write (to the folder )?([^,]*),(?: which is in [^,]*,)? which belongs to .*uid \d+, mode 0\d{3}/
            .exec(file.problem ?? "") ?? assert.fail(file.problem ?? "no problem");
        assert.equal(what !== undefined ? "/" : part!.slice(part!.lastIndexOf("/") + 1), named);
        assert.equal(warnings[0]!.fields.problem, file.problem);
        assert.deepEqual(contentOf(join(paths[index]!, "..")), before[index]);
      });
    }
    for (const folder of paths.flatMap((path) => [join(path, "../.."), join(path, "..")])) {
      if (existsSync(folder)) takeBack(folder);
    }
    await Deno.remove(directory, { recursive: true });
  },
});

Deno.test({
  name: "claimKvFile() uses its own file beside the lock that another user has left there",
  ignore: !hasUnprivileged,
  async fn() {
    const directory = await Deno.makeTempDir();
    const folder = join(directory, "gateway/data");
    const path = await makeFile(folder);
    await Deno.writeTextFile(`${path}.lock`, "");
    giveAway(`${path}.lock`);
    const [claimed] = await claimAll([path]);
    assert.equal(claimed!.file.path, path);
    assert.deepEqual(claimed!.warnings, []);
    await Deno.remove(directory, { recursive: true });
  },
});
