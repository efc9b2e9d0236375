import assert from "node:assert/strict";
import { join } from "node:path";
import {
  foldersOutOfReach,
  type PermittedRole,
  workerPermissions,
  type WrittenPlaces,
} from "../../../lib/workers/supervisor/worker_permissions.ts";

/** Listeners as far as permissions depend on them: `null` listens on a port. */
function listening(...sockets: (string | null)[]): WrittenPlaces["listeners"] {
  const address = { hostname: "127.0.0.1", port: 6635 };
  return sockets.map((path) => ({ listen: path === null ? address : { path, mode: 0o600 } })) as never;
}

/** What a worker of a role gets done. */
async function allowedTo(role: PermittedRole, places: WrittenPlaces, outside: string): Promise<string[]> {
  const worker = new Worker(new URL("../_permitted_worker.ts", import.meta.url), {
    type: "module",
    deno: { permissions: workerPermissions(role, places) },
  });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = (event: MessageEvent<string[]>) => resolve(event.data);
      worker.onerror = (event) => (event.preventDefault(), reject(new Error(event.message)));
      worker.postMessage({ inside: places.dataDir, outside });
    });
  } finally {
    worker.terminate();
  }
}

Deno.test("workerPermissions(): each worker does its work in its folders, and nothing else", async () => {
  const outside = await Deno.makeTempDir({ prefix: "usher-test-" });
  try {
    const places = {
      dataDir: join(outside, "data, deep"),
      listeners: listening(null, join(outside, "sockets/a.sock")),
    };
    for (const folder of [places.dataDir, join(outside, "sockets")]) await Deno.mkdir(folder);
    const base = ["listen", "read"];
    assert.deepEqual(await allowedTo("serving", places, outside), ["write inside", "kv", "socket", ...base]);
    assert.deepEqual(await allowedTo("health", places, outside), ["write inside", "kv", ...base]);
    assert.deepEqual(await allowedTo("image", places, outside), [...base, "env", "ffi"]);
  } finally {
    await Deno.remove(outside, { recursive: true });
  }
});

Deno.test("workerPermissions() asks for nothing that the process itself was not given", async () => {
  const places = { dataDir: "/nowhere/that/may/be/written", listeners: listening("/nowhere/else/a.sock") };
  const permissions = workerPermissions("serving", places);
  assert.equal(permissions.write, false);
  const outside = await Deno.makeTempDir({ prefix: "usher-test-" });
  try {
    assert.deepEqual(await allowedTo("serving", places, outside), ["listen", "read"]);
  } finally {
    await Deno.remove(outside, { recursive: true });
  }
});

Deno.test("foldersOutOfReach() names folders of new sockets, but not those that workers have", async () => {
  const root = await Deno.makeTempDir({ prefix: "usher-test-" });
  const started = { dataDir: join(root, "data"), listeners: listening(join(root, "run/a.sock")) };
  const reached = (...sockets: string[]) =>
    foldersOutOfReach(started, { listeners: listening(null, ...sockets.map((path) => join(root, path))) });
  assert.deepEqual(reached(), []);
  assert.deepEqual(reached("run/a.sock", "run/b.sock", "data/c.sock", "run/below/d.sock"), []);
  assert.deepEqual(reached("runner/e.sock", "f.sock"), [join(root, "runner"), root]);
  // What the process may not write either is no matter of a restart.
  assert.deepEqual(foldersOutOfReach(started, { listeners: listening("/nowhere/g.sock") }), []);
  await Deno.remove(root, { recursive: true });
});
