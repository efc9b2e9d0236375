import assert from "node:assert/strict";
import { join } from "node:path";
import { eventually } from "../eventually.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { makeLinks } from "../symlinks.ts";
import { fetched, type GatewayPlaces, startGateway } from "./_gateway.ts";
import { runMain } from "./_command.ts";
import { customPool, testConfig } from "./test_config.ts";

/** Puts a whole file in the place of another at once. */
async function replace(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(`${path}~`, text);
  await Deno.rename(`${path}~`, path);
}

Deno.test("a configuration lives: included, watched, broken, mended, with what needs a restart said; its data is private", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(
    await startScriptedOrigin((exchange) => exchange.reply({ body: exchange.head.target })),
    (running) => running.close(),
  );
  let places!: GatewayPlaces;
  const main = (prefix: string, server: Record<string, unknown> = {}) => {
    const parts = {
      server: { workers: 1, watch: true, ...server },
      pools: { any: customPool([origin.url]) },
      listeners: [{ name: "main", prefix, pool: "any" }],
    };
    return JSON.stringify({ ...JSON.parse(testConfig(places, parts)), include: ["tenants/"] });
  };
  const gateway = stack.adopt(
    await startGateway({
      config: (given) => {
        places = given;
        const tenants = join(given.dataDir, "../tenants");
        Deno.mkdirSync(tenants);
        return main("/main");
      },
    }),
    (running) => running.close(),
  );
  const tenant = (name: string) => join(gateway.directory, "tenants", `${name}.yaml`);
  const statusOf = async (path: string) => (await fetched(gateway.url + path)).status;
  const serves = (path: string) => eventually(`${path} is served`, async () => await statusOf(path) === 200);
  const listener = (name: string) =>
    JSON.stringify({ listeners: [{ name, listen: `127.0.0.1:${places.port}`, prefix: `/${name}`, pool: "any" }] });
  await serves("/main");
  assert.equal(await statusOf("/one"), 404);

  // A tenant comes, is broken, and is mended, while the others are served.
  await replace(tenant("one"), listener("one"));
  await serves("/one");
  await replace(tenant("two"), `${listener("two").replace('"pool"', '"pol"')}`);
  await gateway.logged("Configuration not reloaded");
  assert.match(
    gateway.log(),
    /tenants\/two\.yaml:1:\d+ listeners\[0\]\.pol: found unknown key "pol" .* did you mean "pool"/,
  );
  assert.deepEqual([await statusOf("/one"), await statusOf("/two")], [200, 404]);
  const checked = await runMain(["check", "--config", gateway.configPath]);
  assert.equal(checked.code, 1);
  assert.match(
    checked.stdout,
    /tenants\/two\.yaml:1:\d+ listeners\[0\]\.pol: .*\n1 problem in .*config\.yaml and what it includes/s,
  );
  await replace(tenant("two"), listener("two"));
  await serves("/two");

  // As a volume of Kubernetes does it: the link above all files is swapped.
  await Deno.mkdir(join(gateway.directory, "..v2"));
  await Deno.writeTextFile(join(gateway.directory, "..v2/config.yaml"), main("/main"));
  const before = (await gateway.status()).config.generation;
  await makeLinks({
    [join(gateway.directory, "..data")]: "..v2",
    [join(gateway.directory, "link")]: "..data/config.yaml",
  });
  await Deno.rename(join(gateway.directory, "link"), gateway.configPath);
  await eventually("the link is followed", async () => (await gateway.status()).config.generation > before);
  await Deno.mkdir(join(gateway.directory, "..v3"));
  const moved = main("/moved", { worker_timeout: "77s" });
  await Deno.writeTextFile(join(gateway.directory, "..v3/config.yaml"), moved);
  await makeLinks({ [join(gateway.directory, "..data_tmp")]: "..v3" });
  await Deno.rename(join(gateway.directory, "..data_tmp"), join(gateway.directory, "..data"));
  await serves("/moved");
  assert.deepEqual([await statusOf("/main"), await statusOf("/one")], [404, 200]);
  await gateway.logged("A changed setting takes effect at the next start setting=server.worker_timeout");
  const reloaded = await runMain(["reload", "--config", gateway.configPath]);
  assert.equal(reloaded.code, 0, reloaded.stderr);
  assert.match(reloaded.stdout, /server\.worker_timeout has changed: it takes effect at the next start/);

  // What it stores is this user's alone; that it has been removed is said, and requests are served on.
  for (const name of ["", "usher.kv", "usher.kv-wal", "usher.kv-shm", "usher.kv.lock"]) {
    const { mode } = await Deno.stat(join(places.dataDir, name));
    assert.equal(mode! & 0o777, name === "" ? 0o700 : 0o600, name);
  }
  await Deno.rename(places.dataDir, `${places.dataDir}.away`);
  await gateway.logged("The folder of the disk cache was removed while it was in use");
  const { state, reasons } = await (await fetch(`${gateway.adminUrl}/status`)).json();
  assert.equal(state, "degraded");
  assert.match(reasons.join("\n"), /The folder of the disk cache was removed/);
  assert.equal(await statusOf("/two?again"), 200);
});
