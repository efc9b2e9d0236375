import assert from "node:assert/strict";
import { eventually } from "../eventually.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { runMain } from "./_command.ts";
import { fetched, type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

const TOKENS = { tv: "the-token-of-the-tv-0123", kodi: "the-token-of-kodi-0123" };

/** What `/usage` says of today, a line each: requests and bytes. A worker may ask again for what the other is storing, so hits vary. */
async function used(gateway: RunningGateway): Promise<string[]> {
  const { usage } = await (await fetch(`${gateway.adminUrl}/api/v1/usage?days=1`)).json();
  return usage.map((row: Record<string, unknown>) => {
    assert.ok((row.hits as number) <= (row.requests as number));
    return `${row.listener} ${row.client} ${row.requests} ${row.bytes}`;
  });
}

Deno.test("what each client uses is counted once: over a worker's death, a reload, a restart; told by /usage and usher usage", async () => {
  await using stack = new AsyncDisposableStack();
  const origin = stack.adopt(
    await startScriptedOrigin((exchange) =>
      exchange.reply({ fields: [["cache-control", "max-age=600"]], body: "0123456789" })
    ),
    (running) => running.close(),
  );
  const start = async (directory?: string) =>
    stack.adopt(
      await startGateway({
        directory,
        config: (places) =>
          testConfig(places, {
            pools: { any: customPool([origin.url]) },
            listeners: [
              { name: "closed", prefix: "/closed", pool: "any", auth: { tokens: TOKENS } },
              { name: "open", prefix: "/open", pool: "any" },
            ],
          }),
      }),
      (running) => running.close(),
    );
  const first = await start();
  const ask = async (gateway: RunningGateway, path: string, token?: string) => {
    const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` };
    const { status, bytes } = await fetched(`${gateway.url}${path}`, { headers });
    assert.deepEqual([status, bytes.length], [200, 10]);
  };
  for (let n = 0; n < 6; n++) await ask(first, "/closed/a", TOKENS.tv);
  await ask(first, "/closed/a", TOKENS.kodi);
  await ask(first, "/open/b");
  const one = ["closed tv 6 60", "closed kodi 1 10", "open null 1 10"];
  assert.deepEqual(await used(first), one);
  for (const worker of [0, 1]) {
    await fetched(`${first.adminUrl}/test/fault/${worker}/throw`, { method: "POST" }).catch(() => {});
    await eventually("it is up again", async () => {
      const { workers } = await first.status();
      return workers[worker]!.state === "up" && workers[worker]!.restarts === 1;
    });
  }
  first.signal("SIGHUP");
  await first.logged("Configuration reloaded");
  assert.deepEqual(await used(first), one);
  await ask(first, "/open/b");
  first.signal("SIGTERM");
  assert.equal(await first.ended(), 0);

  const second = await start(first.directory);
  await ask(second, "/closed/a", TOKENS.kodi);
  await eventually("it is counted", async () => (await used(second)).join().includes("closed kodi 2 "));
  assert.deepEqual(await used(second), ["closed tv 6 60", "closed kodi 2 20", "open null 2 20"]);
  const { code, stdout } = await runMain(["usage", "--days", "2", "--config", second.configPath]);
  assert.equal(code, 0);
  assert.match(stdout, /^day \(UTC\) +listener +client +requests +hits +sent\n[\d-]+ +closed +tv +6 +[4-9]\d % +60B\n/);
  const refused = await fetch(`${second.adminUrl}/usage?days=0`);
  assert.equal(refused.status, 422);
  await refused.body?.cancel();
  const metrics = await (await fetch(`${second.adminUrl}/metrics`)).text();
  assert.match(metrics, /^usher_client_response_bytes_total\{listener="closed",client="kodi"\} 10$/m);
  assert.doesNotMatch(second.log() + metrics + stdout, /the-token-of/);
});
