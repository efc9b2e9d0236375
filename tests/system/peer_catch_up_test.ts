import assert from "node:assert/strict";
import { fetched, freePort, type RunningGateway, startGateway } from "./_gateway.ts";
import { startVersionedOrigin, type VersionedOrigin } from "./_versioned_origin.ts";
import { customPool, testConfig } from "./test_config.ts";

const SKEWED = "tests/cluster/skewed_main.ts";
const PATHS = ["/a", "/tagged", "/dir/b", "/kept"];

/** Two gateways that purge for each other, on machines whose clocks are apart. */
class Pair {
  readonly admins = [freePort(), freePort()] as const;
  /** The same after a restart: they are part of the cache key. */
  readonly ports = [freePort(), freePort()] as const;

  constructor(readonly origin: VersionedOrigin, readonly skewsMs: readonly [number, number]) {}

  start(which: 0 | 1, directory?: string): Promise<RunningGateway> {
    const [own, other] = [this.admins[which], this.admins[1 - which]!];
    return startGateway({
      main: SKEWED,
      ...directory === undefined ? {} : { directory },
      env: { USHER_TEST_SKEW_MS: String(this.skewsMs[which]) },
      config: ({ dataDir }) =>
        testConfig({ port: this.ports[which], adminPort: own, dataDir }, {
          server: { workers: 1 },
          admin: { token: `token-of-${which}`, peers: [{ url: at(other), token: `token-of-${1 - which}` }] },
          pools: { p: customPool([this.origin.url]) },
          listeners: [{ name: "l", prefix: "/", pool: "p" }],
        }),
    });
  }

  async purge(which: 0 | 1, order: Readonly<Record<string, unknown>>): Promise<void> {
    const response = await fetch(`${at(this.admins[which])}/purge`, {
      method: "POST",
      headers: { authorization: `Bearer token-of-${which}`, "content-type": "application/json" },
      body: JSON.stringify(order),
    });
    assert.equal(response.status, 200, await response.text());
  }

  /** What the second one answers. */
  async read(path: string): Promise<string> {
    return new TextDecoder().decode((await fetched(at(this.ports[1]) + path)).bytes);
  }
}

function at(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/** Keeps the files of a gateway that ends without being asked. */
async function kill(gateway: RunningGateway): Promise<void> {
  gateway.signal("SIGKILL");
  await gateway.ended();
}

for (const skewMs of [-60_000, 60_000]) {
  Deno.test(`a gateway that was off for three purges serves none of what they purged, clocks ${skewMs} ms apart`, async () => {
    await using stack = new AsyncDisposableStack();
    const origin = stack.adopt(await startVersionedOrigin(), (one) => one.close());
    const pair = new Pair(origin, [skewMs, 0]);
    stack.adopt(await pair.start(0), (one) => one.close());
    const before = await pair.start(1);
    for (const path of PATHS) assert.equal(await pair.read(path), `${path} v1`);
    await waitForDisk(pair);
    await kill(before);
    origin.version = 2;
    for (const order of [{ url: "/a", hard: true }, { tag: "all" }, { prefix: "/dir/", hard: true }]) {
      await pair.purge(0, order);
    }
    stack.adopt(await pair.start(1, before.directory), (one) => one.close());
    // The first requests that it serves: nothing but what it knew at its start.
    assert.deepEqual(await Promise.all(PATHS.map((path) => pair.read(path))), [
      "/a v2",
      "/tagged v2",
      "/dir/b v2",
      "/kept v1",
    ]);
    // What it has asked for since is not purged again by what it knows.
    origin.version = 3;
    for (const path of PATHS.slice(0, 3)) assert.equal(await pair.read(path), `${path} v2`);
    // And a purge that comes now is one, whichever clock is ahead.
    await pair.purge(0, { all: true, hard: true });
    for (const path of PATHS) assert.equal(await pair.read(path), `${path} v3`);
  });
}

/** Until all that was stored would outlive a kill. */
async function waitForDisk(pair: Pair): Promise<void> {
  const headers = { authorization: "Bearer token-of-1" };
  while (true) {
    const { cache } = await (await fetch(`${at(pair.admins[1])}/status`, { headers })).json();
    if (cache.disk.entries >= PATHS.length && cache.disk.queuedWrites === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
