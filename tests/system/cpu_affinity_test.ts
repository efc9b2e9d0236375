import assert from "node:assert/strict";
import { coresOf, threadNamed } from "../../lib/workers/supervisor/cpu_affinity.ts";
import { eventually } from "../eventually.ts";
import { startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

const hasPrograms = Deno.build.os === "linux" && ["/usr/bin/ps", "/usr/bin/taskset"].every(exists);

/** Starts a gateway of two serving workers with this `cpu_affinity`. */
async function start(cpuAffinity: unknown, permissions: readonly string[]) {
  return await startGateway({
    config: (places) =>
      testConfig(places, {
        server: { workers: 2, cpu_affinity: cpuAffinity },
        pools: { any: customPool(["http://127.0.0.1:9"]) },
        listeners: [{ name: "any", prefix: "/", pool: "any" }],
      }),
    permissions,
  });
}

/** The cores of each thread of the workers of a process, by its name, as a process beside this one finds them: tests may not. */
async function coresByThread(pid: number): Promise<Record<string, string>> {
  const script = `
    const run = (program, args) => new TextDecoder().decode(new Deno.Command(program, { args }).outputSync().stdout);
    const found = run("ps", ["-L", "-p", "${pid}", "-o", "lwp=,comm="]).matchAll(/^\\s*(\\d+)\\s+(worker-\\d+)$/gm);
    const cores = [...found].map(([, thread, name]) => [name, run("taskset", ["-pc", thread]).trim().split(": ")[1]]);
    console.log(JSON.stringify(Object.fromEntries(cores)));
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", script], env: { NO_COLOR: "1" } })
    .output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test({
  name: "D8: server.cpu_affinity pins serving workers, the replaced ones too, and no other thread",
  ignore: !hasPrograms,
  async fn() {
    const gateway = await start(true, ["--allow-run=ps,taskset"]);
    try {
      for (const worker of ["serving-0", "serving-1"]) await gateway.logged(`to a core worker=${worker}`);
      const cores = await coresByThread(gateway.pid);
      const { "worker-1": first, "worker-2": second, "worker-3": health } = cores;
      const all = coresOf(`: ${health}`);
      assert.deepEqual([first, second], [String(all[0]), String(all[1 % all.length])], "in the order of the cores");
      await fetch(`${gateway.adminUrl}/test/fault/1/throw`, { method: "POST" });
      await gateway.logged("A worker was restarted");
      await eventually("the new one is pinned", () => gateway.log().match(/to a core worker=serving-1/g)?.length === 2);
      const { "worker-4": replaced, "worker-1": other } = await coresByThread(gateway.pid);
      assert.deepEqual([other, replaced], [first, second]);
    } finally {
      await gateway.close();
    }
  },
});

Deno.test("D8: where workers cannot be pinned the gateway serves, and says what to do", async () => {
  const cases: [affinity: unknown, permissions: string[], said: RegExp][] = [
    [true, [], Deno.build.os === "linux" ? /may not start.*deno task start:pinned/ : /Linux has/],
    ...(hasPrograms ? [[[4095], ["--allow-run=ps,taskset"], /no core 4095.*Name some of those/] as never] : []),
  ];
  for (const [affinity, permissions, said] of cases) {
    const gateway = await start(affinity, permissions);
    try {
      await gateway.logged("Workers are not pinned to cores (server.cpu_affinity)");
      assert.match(gateway.log(), said);
      assert.equal(gateway.log().match(/not pinned/g)?.length, 1, "once");
      const response = await fetch(gateway.url);
      assert.equal(response.status, 502);
      await response.body?.cancel();
    } finally {
      await gateway.close();
    }
  }
});

Deno.test("D8: threadNamed() and coresOf() read what ps and taskset print", () => {
  const listing = "  4250 deno\n  4262 worker-1\n  4263 worker-11\n  4264 tokio-runtime-w\n";
  assert.equal(threadNamed(listing, 1), "4262");
  assert.equal(threadNamed(listing, 11), "4263");
  assert.equal(threadNamed(listing, 2), null);
  assert.deepEqual(coresOf("pid 1's current affinity list: 0\n"), [0]);
  assert.deepEqual(coresOf("pid 1's current affinity list: 0-3,8,10-11\n"), [0, 1, 2, 3, 8, 10, 11]);
  assert.throws(() => coresOf("taskset: failed"), /taskset prints/);
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
