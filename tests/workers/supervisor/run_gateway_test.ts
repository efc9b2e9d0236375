import assert from "node:assert/strict";
import { join } from "node:path";
import type { Mapping } from "../../gateway/config_of.ts";
import type { ScriptedHandler } from "../../origins/scripted_origin.ts";
import { eventually } from "../../eventually.ts";
import { freePort } from "../../free_port.ts";
import { MAIN, originWith } from "../product_worker.ts";

const PROGRAM = new URL("../fixtures/run_gateway.ts", import.meta.url);
const UNABLE = new URL("../fixtures/raw_worker.ts?part=fails", import.meta.url);

/** A process that runs the gateway by a configuration file, in a directory of its own; killed with its scope. */
async function running(file: (dataDir: string) => Mapping | string, worker = MAIN) {
  const directory = await Deno.makeTempDir();
  const path = join(directory, "config.yaml");
  const write = (contents: Mapping | string) =>
    Deno.writeTextFile(path, typeof contents === "string" ? contents : JSON.stringify(contents));
  await write(file(join(directory, "data")));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "-A", PROGRAM.href, path, worker.href],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const out = { stdout: "", stderr: "" };
  const read = async (name: keyof typeof out) => {
    for await (const text of child[name].pipeThrough(new TextDecoderStream())) out[name] += text;
  };
  const over = Promise.all([child.status, read("stdout"), read("stderr")]).then(([status]) => status);
  let isOver = false;
  over.then(() => isOver = true);
  return {
    out,
    write,
    path,
    signal: (signal: Deno.Signal) => child.kill(signal),
    isOver: () => isOver,
    status: async () => (await over).code,
    said: (text: string) => eventually(`it says "${text}"`, () => out.stdout.includes(text)),
    async [Symbol.asyncDispose]() {
      if (!isOver) child.kill("SIGKILL");
      await over;
      await Deno.remove(directory, { recursive: true });
    },
  };
}

function fileFor(port: number, upstream = "http://127.0.0.1:9") {
  return (dataDir: string): Mapping => ({
    server: { workers: 1, data_dir: dataDir, shutdown_grace: "10s" },
    admin: { listen: `127.0.0.1:${freePort()}` },
    pools: { films: { type: "custom", health: false, upstreams: [upstream] } },
    listeners: [{ name: "films", listen: `127.0.0.1:${port}`, prefix: "/films", pool: "films" }],
  });
}

Deno.test("runGateway() says what is wrong with a configuration on standard error, and starts nothing", async () => {
  await using gateway = await running(() => "server: { wrokers: 2 }\npools: {}\n");
  assert.equal(await gateway.status(), 1);
  assert.match(gateway.out.stderr, /config\.yaml:1:\d+ server\.wrokers: /);
  assert.match(gateway.out.stderr, /Usher cannot start: \d+ problems in .*config\.yaml\n$/);
  assert.equal(gateway.out.stdout, "");
});

Deno.test("runGateway() names an address that is in use, before it starts anything", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  await using gateway = await running(fileFor(port));
  assert.equal(await gateway.status(), 1);
  assert.match(gateway.out.stderr, new RegExp(`${port}.*\n.*Usher cannot start: 1 problem in `));
  taken.close();
});

Deno.test("runGateway() ends with 1 where no worker starts, and says why", async () => {
  await using gateway = await running(fileFor(freePort()), UNABLE);
  assert.equal(await gateway.status(), 1);
  assert.match(gateway.out.stdout, /Usher cannot start.*Cannot begin/);
});

Deno.test({
  name: "runGateway() serves, reloads on SIGHUP, keeps on after a bad file, and ends with 0 on SIGTERM",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using origin = await originWith((exchange) => exchange.reply({ body: "film" }));
    const [port, other] = [freePort(), freePort()];
    await using gateway = await running(fileFor(port, origin.url));
    await gateway.said("Usher is ready");
    assert.match(gateway.out.stdout, new RegExp(`Listening .*address=127\\.0\\.0\\.1:${port}`));
    const get = async (at: number) => await (await fetch(`http://127.0.0.1:${at}/films`)).text();
    assert.equal(await get(port), "film");
    await gateway.write("pools: none");
    gateway.signal("SIGHUP");
    await gateway.said("Configuration not reloaded");
    assert.equal(await get(port), "film");
    await gateway.write(fileFor(other, origin.url)("/nowhere"));
    gateway.signal("SIGHUP");
    await gateway.said("Configuration reloaded");
    assert.equal(await get(other), "film");
    gateway.signal("SIGTERM");
    assert.equal(await gateway.status(), 0);
    assert.match(gateway.out.stdout, /Usher is stopping/);
  },
});

Deno.test({
  name: "runGateway() ends at once, with 1, when it is asked to stop twice",
  ignore: Deno.build.os === "windows",
  async fn() {
    const asked = Promise.withResolvers<void>();
    const never: ScriptedHandler = (exchange) => (asked.resolve(), exchange.left);
    await using origin = await originWith(never);
    const port = freePort();
    await using gateway = await running(fileFor(port, origin.url));
    await gateway.said("Usher is ready");
    const answer = fetch(`http://127.0.0.1:${port}/films`).catch(() => null);
    await asked.promise;
    // The same request, come by two ways at once.
    gateway.signal("SIGTERM");
    gateway.signal("SIGINT");
    await gateway.said("Usher is stopping");
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.equal(gateway.isOver(), false);
    gateway.signal("SIGINT");
    assert.equal(await gateway.status(), 1);
    assert.equal(await answer, null);
  },
});
