import assert from "node:assert/strict";
import { join } from "node:path";
import { CLIENTS } from "../../lib/clients/client_table.ts";
import type { Way } from "../../lib/clients/client.ts";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { runMain, runMany } from "./_command.ts";
import { freePort, type RunningGateway, startGateway } from "./_gateway.ts";

/** A client for each way; the others' pages have the same commands, with another name. */
const PAGES: Readonly<Record<Way, string>> = {
  "base-url": "curl",
  "https-name": "moviepilot",
  proxy: "jellyfin",
  dns: "jellyfin",
  prefix: "lampa-clones",
};

const HEADINGS: Readonly<Record<Way, RegExp>> = {
  "base-url": /base URL/,
  "https-name": /HTTPS/,
  proxy: /proxy/,
  dns: /own names/,
  prefix: /prefix/,
};

/** The commands under a way's heading of a client's page. */
async function commandsOf(word: string, way: Way): Promise<string[]> {
  const page = await Deno.readTextFile(`docs/clients/${word}.md`);
  const section = page.split(/^## /m).find((part) =>
    part.startsWith("By ") && HEADINGS[way].test(part.split("\n")[0]!)
  );
  return [...section!.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].map(([, block = ""]) => block.trim());
}

/** Arguments of a command line of a page. */
function argumentsOf(line: string, command: string): string[] {
  const rest = new RegExp(`^deno task (?:usher )?(${command}.*)$`).exec(line)?.[1];
  return rest?.split(" ") ?? assert.fail(`not \`deno task ${command}\`: ${line}`);
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly innerPort: number;
}

/** What `init` made, for ports and origins of the test's. */
function moved(text: string, { folder, port, innerPort }: Place, originUrl: string): string {
  return text.replaceAll(/upstreams: \[https:.*/g, `upstreams: [${originUrl}]`)
    .replaceAll(`127.0.0.1:${port + 6}`, `127.0.0.1:${innerPort}`)
    .replaceAll('"tls/', `"${folder}/tls/`).replace("file:tmdb_api_key", `file:${folder}/tmdb_api_key`);
}

/** Follows a page from nothing to a hit; the gateway ends with the stack. */
async function follow(way: Way, originUrl: string, stack: AsyncDisposableStack): Promise<RunningGateway> {
  const word = PAGES[way];
  const [init = "", start = "", doctor = "", curl = "", ...others] = await commandsOf(word, way);
  assert.deepEqual(others, []);
  const place = { folder: await Deno.makeTempDir({ prefix: "usher-test-" }), port: freePort(), innerPort: freePort() };
  const inner = way === "https-name" ? `:${place.port}` : "";
  // What the page says, at the test's port.
  const asked = curl.replaceAll(
    /usher\.lan(:\d+)?(?=[/ ]|$)/g,
    (_, port) => `localhost${port === undefined ? inner : `:${place.port}`}`,
  );
  const made = await runMain([
    ...argumentsOf(init.replace("YOUR_KEY", demoApiKey).replace("usher.lan", "localhost"), "init"),
    ...["--port", `${place.port}`, "--skip-doctor"],
  ], { cwd: place.folder, env: { INIT_CWD: place.folder } });
  assert.equal(made.code, 0, made.stderr);
  assert.ok(made.stdout.includes(asked), `${made.stdout}\nhas not what the page says: ${asked}`);
  const text = moved(await Deno.readTextFile(join(place.folder, "config.yaml")), place, originUrl);
  assert.equal(start, "deno task start");
  const gateway = await startGateway({
    directory: place.folder,
    config: ({ adminPort }) =>
      `${text}admin: { listen: "127.0.0.1:${adminPort}" }\nserver: { workers: 1 }\ncache: { memory: 32MiB, disk: 0 }\n`,
  });
  stack.defer(() => gateway.close());
  const look = [...argumentsOf(doctor, "doctor"), "--config", gateway.configPath, "--timeout", "60s"];
  const looked = await runMain(look);
  assert.equal(looked.code, 0, looked.stdout + looked.stderr);
  assert.match(looked.stdout, /ok +configuration .*\n[^]*ok +document [^]*ok +cache +the second time: usher; hit/);
  assert.match(looked.stdout, /ok +picture +GET/);
  const hit = await printed(asked.replace("tls/ca.pem", join(place.folder, "tls/ca.pem")));
  if (hit !== null) assert.match(hit, /cache-status: usher; hit/i, `${asked}\n${hit}`);
  return gateway;
}

/** Runs a line of `curl`; `null` where it is not installed. */
async function printed(line: string): Promise<string | null> {
  const [program, ...args] = line.split(" ");
  assert.equal(program, "curl");
  try {
    const { stdout, stderr } = await new Deno.Command("/usr/bin/curl", { args, stdin: "null" }).output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return null;
    throw error;
  }
}

Deno.test("docs/clients/: each way leads from nothing to a hit by the page's own commands, and doctor goes the way of every client", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(await startTmdbOrigin({}), (one) => one.close());
  const ways = Object.keys(PAGES) as Way[];
  const followed = await Promise.allSettled(ways.map((way) => follow(way, origin.url, stack)));
  const open = new Map(followed.map((one, at) => {
    if (one.status === "rejected") throw one.reason;
    return [ways[at]!, one.value];
  }));
  const rows = CLIENTS.flatMap((client) => client.ways.map(({ way }) => ({ client, way })));
  const results = await runMany(rows.map(({ client, way }) => [
    ...["doctor", "--client", client.word, "--way", way, "--json", "--timeout", "60s"],
    ...["--config", open.get(way)!.configPath],
  ]));
  for (const [index, { client, way }] of rows.entries()) {
    const { code, stdout, stderr } = results[index]!;
    assert.equal(code, 0, `${client.word} by ${way}: ${stdout}${stderr}`);
    const { client: found } = JSON.parse(stdout);
    assert.deepEqual([found.client, found.way], [client.word, way]);
    const count = (check: string) => found.findings.filter((one: { check: string }) => one.check === check).length;
    assert.equal(count("trap"), client.traps.length, client.word);
    assert.equal(count("picture"), new Set(Object.values(client.sizes)).size, client.word);
    assert.equal(count("certificate"), way === "base-url" || way === "prefix" ? 0 : 1, client.word);
  }
  await prewarm(open.get("proxy")!);
});

/** The commands of each page that has some to fetch a library beforehand: what they would fetch, and fetch. */
async function prewarm({ configPath }: RunningGateway): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "usher-test-" });
  const film = join(folder, "media", "Fight Club (1999) {tmdb-550}");
  await Deno.mkdir(film, { recursive: true });
  await Deno.writeTextFile(join(film, "Fight Club (1999).mkv"), "");
  const pages = await Promise.all(CLIENTS.map(({ word }) => Deno.readTextFile(`docs/clients/${word}.md`)));
  const lines = pages.flatMap((page) => [...page.matchAll(/^deno task prewarm .*$/gm)].map(([line]) => line));
  assert.equal(lines.length, 8);
  const results = await runMany(lines.map((line) => [
    ...argumentsOf(line, "prewarm").map((one) => one === "media" ? join(folder, "media") : one),
    ...["--config", configPath],
  ]));
  for (const [index, { code, stdout, stderr }] of results.entries()) {
    assert.equal(code, 0, `${lines[index]}: ${stdout}${stderr}`);
    assert.match(stdout, lines[index]!.endsWith("--estimate") ? /MiB|KiB/ : /1 title/, lines[index]);
  }
  await Deno.remove(folder, { recursive: true });
}
