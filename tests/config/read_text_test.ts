import assert from "node:assert/strict";
import { join } from "node:path";
import { explainReadError, MAX_FILE_BYTES, readText, UnusableFile } from "../../lib/config/yaml/read_text.ts";

Deno.test("readText() reads UTF-8 and says why it cannot", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const file = (name: string) => join(directory, name);
    await Deno.writeTextFile(file("text"), "grüße\n");
    await Deno.writeFile(file("latin1"), new Uint8Array([0x61, 0xfc, 0x62]));
    await Deno.writeFile(file("full"), new Uint8Array(MAX_FILE_BYTES).fill(0x61));
    await Deno.writeFile(file("large"), new Uint8Array(MAX_FILE_BYTES + 1).fill(0x61));
    assert.equal(await readText(file("text")), "grüße\n");
    assert.equal((await readText(file("full"))).length, MAX_FILE_BYTES);
    const why = (name: string) => readText(file(name)).then(() => "read", explainReadError);
    assert.equal(await why("none"), "there is no such file");
    assert.equal(await why(""), "it is a directory");
    assert.equal(await why("latin1"), "it is not UTF-8 text");
    assert.equal(await why("large"), "it is larger than 4MiB");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("explainReadError() never shows more than it knows", () => {
  assert.equal(explainReadError(new UnusableFile("it is odd")), "it is odd");
  assert.match(explainReadError(new Deno.errors.NotCapable("x")), /--allow-read/);
  assert.match(explainReadError(new Deno.errors.PermissionDenied("x")), /this user/);
  assert.equal(explainReadError("x"), "it cannot be read");
});

const PYTHON = "/usr/bin/python3";

Deno.test({
  name: "readText() refuses a pipe, which it would wait at for ever",
  ignore: !await isThere(PYTHON),
  async fn() {
    const directory = await Deno.makeTempDir();
    try {
      const path = `${directory}/cert.pem`;
      const { success } = await new Deno.Command(PYTHON, {
        args: ["-c", "import os, sys; os.mkfifo(sys.argv[1])", path],
      }).output();
      assert.ok(success);
      await assert.rejects(readText(path), { name: "UnusableFile", message: "it is a pipe" });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}
