import assert from "node:assert/strict";
import { join } from "node:path";
import { CLIENTS } from "../../../lib/clients/client_table.ts";
import { openWays } from "../../../lib/inspect/open_ways.ts";
import { initFile } from "../../../routes/commands/init_file.ts";
import { madeAuthority } from "../../certificates/made.ts";
import { loadText } from "../../config/load_text.ts";
import { ROOT_URL } from "../../house/syntax.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const made = await (await madeAuthority()).leaf(["api.themoviedb.org", "api.tmdb.org", "image.tmdb.org", "usher.lan"]);
const files = { "/etc/usher/tls/cert.pem": made.cert, "/etc/usher/tls/key.pem": made.key, "/etc/usher/key": KEY };

Deno.test("initFile() makes a short, sound file without warnings for every way of every client, which opens that way", async () => {
  for (const client of CLIENTS) {
    for (const { way } of client.ways) {
      for (const keyReference of [null, "${file:key}"]) {
        const which = `${client.word} by ${way}`;
        const text = initFile({ client, way, port: 7635, host: "usher.lan", tlsFolder: "tls", keyReference });
        assert.ok(text.split("\n").length <= 32, which);
        const result = await loadText(text, { files });
        assert.ok(result.ok, `${which}: ${JSON.stringify(result)}`);
        assert.deepEqual(result.warnings, [], which);
        const [api] = result.config.pools;
        assert.deepEqual([api!.apiKeys, api!.keyMode], [
          keyReference === null ? [] : [KEY],
          keyReference !== null && client.hasSharedKey ? "replace" : "inject-missing",
        ]);
        const open = openWays(result.config, "usher.lan").find((one) => one.way === way);
        assert.ok(open !== undefined && open.images !== null, which);
      }
    }
  }
});

/** Runs `main.ts init` in a folder; nothing leaves the machine. */
async function init(folder: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { href } = new URL("main.ts", ROOT_URL);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-net=127.0.0.1",
      "--allow-read",
      "--allow-env",
      "--allow-write",
      href,
      "init",
      ...args,
    ],
    cwd: folder,
    env: { NO_COLOR: "1", INIT_CWD: folder, ...env },
    stdin: "null",
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

async function modeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).mode! & 0o777;
}

Deno.test("init writes private files, looks whether all is well, says what to set, and replaces nothing unasked", async () => {
  const folder = await Deno.makeTempDir();
  const [config, keyFile] = [join(folder, "config.yaml"), join(folder, "tmdb_api_key")];
  try {
    const [silent, wrong] = await Promise.all([
      init(folder, []),
      init(folder, ["--yes", "--key", "hunter2", "--port", "0"]),
    ]);
    assert.equal(silent.code, 2);
    assert.match(silent.stderr, /^There is no terminal to ask on: say --yes, with --client, --key and --port/);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /^The key is not one of TMDB: expected a TMDB API key/);
    assert.doesNotMatch(wrong.stderr, /hunter2/);
    assert.deepEqual([...Deno.readDirSync(folder)], []);

    const done = await init(folder, ["--client", "emby", "--key", ` ${KEY}\n`, "--port", "7635", "--yes"]);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^Wrote config\.yaml and tmdb_api_key: only you can read them\nconfig\.yaml is valid\n/);
    assert.match(done.stdout, /Pool tmdb-api \(tmdb-api\)[^]*This machine[^]*Next:/);
    assert.match(done.stdout, /1\. Start the gateway: deno task start\n/);
    assert.match(done.stdout, /2\. In Emby with StrmAssistant: .* = http:\/\/\S+:7635; needs both/);
    assert.match(done.stdout, /deno task doctor --client emby\n[^]*: curl .* http:\/\/\S+:7635\/3\/movie\/550/);
    assert.deepEqual([await modeOf(config), await modeOf(keyFile)], [0o600, 0o600]);
    assert.equal(await Deno.readTextFile(keyFile), `${KEY}\n`);
    const text = await Deno.readTextFile(config);
    assert.match(text, /api_keys: \["\$\{file:tmdb_api_key\}"\]/);
    assert.ok(!text.includes(KEY) && !done.stdout.includes(KEY));

    const kept = await init(folder, ["--client", "kodi", "--yes"]);
    assert.equal(kept.code, 1);
    assert.match(kept.stderr, /^config\.yaml is there already: give another --output, or --force to replace it/);
    assert.equal(await Deno.readTextFile(config), text);
    const astray = await init(folder, ["--client", "kodi", "--yes", "--key", KEY, "--output", "no/such/config.yaml"]);
    assert.equal(astray.code, 1);
    assert.equal(astray.stderr, "Cannot write no/such/tls: there is no such folder\n");
    await Deno.chmod(config, 0o644);
    const args = ["--client", "jellyfin", "--yes", "--force", "--skip-doctor"];
    const forced = await init(folder, args, { TMDB_API_KEY: KEY });
    assert.equal(forced.code, 0, forced.stderr);
    assert.match(forced.stdout, /; made tls\/cert\.pem and its authority, tls\/ca\.pem\n/);
    assert.match(forced.stdout, /HTTPS_PROXY in its environment = http:\/\/\S+:6637\n/);
    assert.match(await Deno.readTextFile(config), /api_keys: \["\$\{TMDB_API_KEY\}"\]/);
    assert.deepEqual([await modeOf(config), await modeOf(join(folder, "tls/key.pem"))], [0o600, 0o600]);

    const named = ["--client", "moviepilot", "--host", "films.lan", "--yes", "--force", "--skip-doctor"];
    const otherNames = await init(folder, named);
    assert.equal(otherNames.code, 1);
    assert.match(
      otherNames.stderr,
      /^The authority in .*tls\/ca\.key is for api\.themoviedb\.org, .* alone, not for films\.lan/,
    );
    const again = await init(folder, [...args, "--way", "dns"]);
    assert.match(again.stdout, /; tls\/cert\.pem is for these names already\n/);
    const wrongs = [["--client", "plex"], ["--client", "emby", "--way", "dns"], ["--way", "dns"], ["--host", "a b"]];
    const refused = await Promise.all(wrongs.map((wrong) => init(folder, [...wrong, "--yes"])));
    assert.deepEqual(refused.map(({ code }) => code), [2, 2, 2, 2]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const PYTHON = "/usr/bin/python3";

/** Runs a program on a terminal of its own and types lines: the next one when a question stands there. */
const TYPING = `import os, pty, re, sys
lines = sys.argv[1].split("|")
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[2], sys.argv[2:])
seen = b""
while True:
    try: part = os.read(fd, 4096)
    except OSError: break
    if not part: break
    os.write(1, part)
    seen += part
    plain = re.sub(rb"\\x1b\\[[?0-9;]*[A-Za-z]", b"", seen)
    if lines and plain.rstrip().endswith(b"]:"):
        os.write(fd, (lines.pop(0) + "\\n").encode())
        seen = b""
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;

/** What moves a terminal's cursor. */
// deno-lint-ignore no-control-regex
const ESCAPES = /\r|\x1b\[[?0-9;]*[A-Za-z]/g;

Deno.test({
  name: "init asks on a terminal, once more where an answer cannot be used, and takes nothing for the default",
  // Debian's: it can open a terminal.
  ignore: !isInstalled(PYTHON),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const { href } = new URL("main.ts", ROOT_URL);
      const run = ["run", "--no-prompt", "--allow-net=127.0.0.1", "--allow-read", "--allow-env", "--allow-write", href];
      const { code, stdout } = await new Deno.Command(PYTHON, {
        args: ["-c", TYPING, `plex|6|nonsense|${KEY}|70000|`, Deno.execPath(), ...run, "init", "--skip-doctor"],
        cwd: folder,
        env: { NO_COLOR: "1", INIT_CWD: folder },
        signal: AbortSignal.timeout(120_000),
      }).output();
      const text = new TextDecoder().decode(stdout).replaceAll(ESCAPES, "");
      assert.equal(code, 0, text);
      assert.match(text, /Which client is it for\?\n {2}1 {2}jellyfin\n/);
      assert.match(text, /Plex cannot be led here: /);
      assert.match(text, /The key is not one of TMDB/);
      assert.match(text, /--port wants a number from 1 to 65535, found "70000"/);
      const written = await Deno.readTextFile(join(folder, "config.yaml"));
      assert.match(written, /^# Usher for MoviePilot: TMDB's API and images on port 443\./);
      assert.equal(await Deno.readTextFile(join(folder, "tmdb_api_key")), `${KEY}\n`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

function isInstalled(path: string): boolean {
  try {
    return Deno.lstatSync(path) !== null;
  } catch {
    return false;
  }
}
