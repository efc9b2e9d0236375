import { dirname } from "node:path";

/** A copy of the repository, in which sources are changed and tests run. */
export class ScratchTree implements AsyncDisposable {
  /** The folder of the copy. */
  readonly path: string;
  /** Where its tests may write. */
  readonly scratch: string;

  private constructor(path: string, scratch: string) {
    this.path = path;
    this.scratch = scratch;
  }

  /** Makes one that holds nothing yet. */
  static async empty(): Promise<ScratchTree> {
    const base = await Deno.makeTempDir({ prefix: "usher-mutate-" });
    const tree = new ScratchTree(`${base}/tree`, `${base}/scratch`);
    for (const folder of [tree.path, tree.scratch]) await Deno.mkdir(folder);
    return tree;
  }

  /** Copies what git knows or would add, as it lies in the folder. */
  static async copy(root: string): Promise<ScratchTree> {
    const tree = await ScratchTree.empty();
    for (const path of await listFiles(root)) await copyFile(`${root}/${path}`, `${tree.path}/${path}`);
    return tree;
  }

  /** Reads a file of the copy. */
  read(path: string): string {
    return Deno.readTextFileSync(`${this.path}/${path}`);
  }

  /** Writes a file of the copy. */
  write(path: string, text: string): void {
    Deno.mkdirSync(dirname(`${this.path}/${path}`), { recursive: true });
    Deno.writeTextFileSync(`${this.path}/${path}`, text);
  }

  /** Forgets what tests that were ended left. */
  async sweep(): Promise<void> {
    await Deno.remove(this.scratch, { recursive: true });
    await Deno.mkdir(this.scratch);
  }

  /** Removes the copy. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(dirname(this.path), { recursive: true });
  }
}

async function listFiles(root: string): Promise<string[]> {
  const { stdout, success } = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: root,
  }).output();
  if (!success) throw new Error(`Cannot list the files of ${root}: git ls-files failed`);
  return new TextDecoder().decode(stdout).split("\0").filter((path) => path !== "");
}

async function copyFile(from: string, to: string): Promise<void> {
  await Deno.mkdir(dirname(to), { recursive: true });
  try {
    await Deno.copyFile(from, to);
  } catch (error) {
    // Removed, and not yet for git.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
