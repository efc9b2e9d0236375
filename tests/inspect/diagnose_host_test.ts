import assert from "node:assert/strict";
import type { Config } from "../../lib/config/config.ts";
import {
  adminFinding,
  clockFinding,
  type Machine,
  machineFindings,
  portFindings,
  runningGateway,
  thisMachine,
} from "../../lib/inspect/diagnose_host.ts";
import { freeAddress } from "../free_port.ts";
import { configOf, loadOf, type Mapping } from "../gateway/config_of.ts";

const GiB = 1024 ** 3;
const ROOMY: Machine = { memoryBytes: 64 * GiB, openable: (wanted) => wanted, migratesConnections: null };

function file(more: Mapping = {}, upstream: Mapping = {}): Mapping {
  return {
    pools: { p: { type: "custom", health: false, upstreams: [{ url: "http://127.0.0.1:9", ...upstream }] } },
    listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "p" }],
    ...more,
  };
}

async function machine(more: Mapping, of: Machine, upstream: Mapping = {}) {
  const found = machineFindings(await configOf(file(more, upstream)), of);
  return Object.fromEntries(found.map((finding) => [finding.check, finding]));
}

Deno.test("machineFindings() holds the workers' memory against the machine's", async () => {
  const cache = { memory: "1GiB", fill_memory: "64MiB" };
  const memory = async (memoryBytes: number | null) =>
    (await machine({ server: { workers: 2 }, cache }, { ...ROOMY, memoryBytes }))["memory"]!;
  assert.equal((await memory(8 * GiB)).state, "ok");
  assert.equal((await memory(1.5 * GiB)).state, "warn");
  const short = await memory(1 * GiB);
  assert.equal(short.state, "fail");
  assert.match(short.remedy!, /`cache\.memory`/);
  assert.equal((await memory(null)).state, "skip");
});

Deno.test("machineFindings() says up to which size responses are held in memory, and what becomes of larger ones", async () => {
  const largest = async (workers: number, cache: Mapping) =>
    (await machine({ server: { workers }, cache }, ROOMY))["largest"]!;
  assert.match((await largest(1, { memory: "128MiB" })).text, /^memory holds responses up to 16MiB$/);
  const onDisk = await largest(4, { memory: "512MiB", max_entry: "64MiB" });
  assert.deepEqual([onDisk.state, onDisk.remedy], ["ok", null]);
  assert.match(onDisk.text, /larger ones are served from disk$/);
  const nowhere = await largest(4, { memory: "64MiB", disk: "0" });
  assert.equal(nowhere.state, "warn");
  assert.match(nowhere.text, /larger ones are fetched each time$/);
  assert.match(nowhere.remedy!, /`cache\.memory`/);
});

Deno.test("machineFindings() holds the limit of open files against the connections that may be open", async () => {
  const files = async (limit: number) =>
    (await machine({}, { ...ROOMY, openable: (wanted) => Math.min(limit, wanted) }, { max_connections: 100 }))[
      "files"
    ]!;
  assert.equal((await files(100_000)).state, "ok");
  const short = await files(256);
  assert.equal(short.state, "warn");
  assert.match(short.text, /^256 files/);
});

Deno.test("machineFindings() counts the clients that the configuration lets in as connections", async () => {
  const text = async (limits: Mapping) => (await machine({ server: { workers: 1, limits } }, ROOMY))["files"]!.text;
  assert.match(await text({}), /256 connections to upstreams and 1024 of clients$/);
  assert.match(await text({ max_connections: 5_000 }), /256 connections to upstreams and 5000 of clients$/);
});

Deno.test("machineFindings() says what a worker that ends loses, where the system tells and another could take it", async () => {
  const handover = async (server: Mapping, migratesConnections: boolean | null) =>
    (await machine({ server }, { ...ROOMY, migratesConnections }))["handover"];
  const lossy = await handover({ workers: 2 }, false);
  assert.equal(lossy!.state, "warn");
  assert.match(lossy!.text, /^net\.ipv4\.tcp_migrate_req is 0: /);
  assert.match(lossy!.remedy!, /--sysctl/);
  assert.equal((await handover({ workers: 2 }, true))!.state, "ok");
  assert.equal(await handover({ workers: 2 }, null), undefined);
  assert.equal(await handover({ workers: 1 }, false), undefined);
  assert.equal(await handover({ workers: 2, reuse_port: false }, false), undefined);
});

Deno.test("thisMachine() knows tcp_migrate_req as far as it may be read", () => {
  const { migratesConnections } = thisMachine(new URL(import.meta.url).pathname);
  let expected: boolean | null = null;
  try {
    expected = Deno.readTextFileSync("/proc/sys/net/ipv4/tcp_migrate_req") === "1\n";
  } catch {
    // Not Linux, or an old one.
  }
  assert.equal(migratesConnections, expected);
});

Deno.test("thisMachine() counts the files that can be opened, and leaves none open", () => {
  const path = new URL(import.meta.url).pathname;
  assert.equal(thisMachine(path).openable(20), 20);
  assert.equal(thisMachine(`${path}.not`).openable(20), 0);
});

Deno.test("portFindings() tells free ports, those of the gateway that runs, and those of others", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("", { headers: { server: "other\u00e9/1" } }),
  );
  const taken = `127.0.0.1:${server.addr.port}`;
  const loaded = await loadOf(file({
    admin: { listen: freeAddress() },
    listeners: [{ name: "l", listen: taken, pool: "p" }],
  }));
  assert.ok(loaded.ok);
  const [admin, listener] = await portFindings(loaded, null, 10_000);
  assert.equal(admin!.state, "ok");
  assert.equal(listener!.state, "fail");
  assert.match(listener!.text, /calls itself "other/);
  assert.match(listener!.remedy!, /`listeners\[0\]\.listen`/);
  const [, own] = await portFindings(loaded, "the gateway that runs", 10_000);
  assert.deepEqual([own!.state, own!.text], ["ok", `${taken} is in use by the gateway that runs`]);
  const held = (port: number) => [{ hostname: "0.0.0.0", port }];
  const { port } = server.addr;
  const [, known] = await portFindings(loaded, "the gateway that runs", 10_000, held(port));
  assert.equal(known!.state, "ok");
  const [, others] = await portFindings(loaded, "the gateway that runs", 10_000, held(port - 1));
  assert.deepEqual([others!.state, others!.text], ["fail", listener!.text]);
});

Deno.test("portFindings() looks at unix sockets too", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const finding = async (unix: string) => {
      const loaded = await loadOf(file({
        admin: { listen: freeAddress() },
        listeners: [{ name: "l", listen: { unix }, pool: "p" }],
      }));
      assert.ok(loaded.ok);
      return (await portFindings(loaded, null, 10_000))[1]!;
    };
    const fine = await finding(`${folder}/a.sock`);
    assert.deepEqual([fine.state, fine.text], ["ok", `unix:${folder}/a.sock can be there`]);
    const lost = await finding(`${folder}/none/a.sock`);
    assert.deepEqual([lost.state, lost.remedy], ["fail", "give an address that can be listened on"]);
    assert.match(lost.text, /^listeners\[0\]\.listen: found unix:.* expected a path in a folder that exists$/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("runningGateway() knows a gateway by its readiness, and nothing else", async () => {
  const answers = async (body: BodyInit) => {
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response(body));
    return await runningGateway(await configOf(file({ admin: { listen: `127.0.0.1:${server.addr.port}` } })), 10_000);
  };
  assert.equal(await answers('{"status":"ready"}'), "the gateway that runs");
  assert.equal(await answers("<html>hello"), null);
  const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(1024)) });
  assert.equal(await answers(endless), null);
  assert.equal(await runningGateway(await configOf(file({ admin: { listen: freeAddress() } })), 10_000), null);
});

Deno.test("adminFinding() warns of a short token and of an address that others reach", async () => {
  const state = async (admin: Mapping) => adminFinding(await configOf(file({ admin }))).state;
  assert.equal(await state({ listen: "127.0.0.1:6636" }), "ok");
  assert.equal(await state({ listen: "127.0.0.1:6636", token: "x".repeat(32) }), "ok");
  assert.equal(await state({ listen: "127.0.0.1:6636", token: "short" }), "warn");
  assert.equal(await state({ listen: "0.0.0.0:6636", token: "x".repeat(32) }), "warn");
  const finding = adminFinding(await configOf(file({ admin: { listen: "127.0.0.1:6636", token: "short" } })) as Config);
  assert.equal(JSON.stringify(finding).includes('short"'), false);
});

Deno.test("clockFinding() goes by the middle of what upstreams say", () => {
  const told = (...ahead: (number | null)[]) =>
    clockFinding([{
      pool: "p",
      type: "custom",
      keys: [],
      upstreams: ahead.map((ms) => ({ id: "u", findings: [], clock_ahead_ms: ms })),
    }]);
  assert.equal(told(null).state, "skip");
  assert.equal(told(500, -900, 3_600_000).state, "ok");
  const wrong = told(3_600_000, 3_599_000, 0);
  assert.equal(wrong.state, "warn");
  assert.match(wrong.text, /3599 s ahead of/);
  assert.match(told(-120_000).text, /120 s behind/);
});
