import assert from "node:assert/strict";
import { formatLocated } from "../../../lib/config/yaml/located.ts";
import { portsInUse } from "../../../lib/workers/supervisor/ports_in_use.ts";
import { loadText, SOUND } from "../../config/load_text.ts";

/** The addresses of a file, each with its place. */
async function placesOf(text: string) {
  const result = await loadText(text);
  assert.ok(result.ok);
  return result.listening;
}

Deno.test("portsInUse() finds a port that another holds, with or without reusePort", async () => {
  for (const reusePort of [false, true]) {
    using held = Deno.listen({ hostname: "127.0.0.1", port: 0, reusePort });
    using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const freePort = free.addr.port;
    free.close();
    const text = `admin: { listen: "127.0.0.1:${freePort}" }` +
      SOUND.replace("name: a,", `name: a, listen: "127.0.0.1:${held.addr.port}",`);
    const places = await placesOf(text);
    assert.deepEqual(portsInUse(places).map(formatLocated), [
      `config.yaml:5:24 listeners[0].listen: found "127.0.0.1:${held.addr.port}" expected a free port: another process listens on it`,
    ]);
    assert.deepEqual(portsInUse(places, [{ hostname: "127.0.0.1", port: held.addr.port }]), []);
  }
});

Deno.test("portsInUse() finds an address that is not this machine's", async () => {
  const places = await placesOf(SOUND.replace("name: a,", 'name: a, listen: "192.0.2.1:6635",'));
  const problems = portsInUse(places, [{ hostname: "127.0.0.1", port: 6636 }]);
  assert.match(problems[0]?.message ?? "", /^found "192\.0\.2\.1:6635" expected an address of this machine$/);
});

Deno.test("portsInUse() says where a unix socket cannot be, and leaves no file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const problems = async (path: string) => {
      const listener = `name: a, listen: { unix: ${path} },`;
      return portsInUse(await placesOf(SOUND.replace("name: a,", listener)), [{ hostname: "127.0.0.1", port: 6636 }])
        .map(({ path, message }) => `${path}: ${message}`);
    };
    const socket = `${folder}/usher.sock`;
    assert.deepEqual(await problems(socket), []);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
    using listener = Deno.listen({ transport: "unix", path: socket });
    assert.equal((listener.addr as Deno.UnixAddr).path, socket);
    // Whether somebody answers there is found out by whoever wants to listen.
    assert.deepEqual(await problems(socket), []);
    Deno.writeTextFileSync(`${folder}/file`, "");
    const at = (path: string, expected: string) => [`listeners[0].listen: found unix:${path} expected ${expected}`];
    assert.deepEqual(await problems(`${folder}/file`), at(`${folder}/file`, "a path where no other file is"));
    assert.deepEqual(await problems(folder), at(folder, "a path where no other file is"));
    for (const path of [`${folder}/none/a.sock`, `${folder}/file/a.sock`]) {
      assert.deepEqual(await problems(path), at(path, "a path in a folder that exists"));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
