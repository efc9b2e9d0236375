import assert from "node:assert/strict";
import { demoApiKey } from "../origins/tmdb_origin.ts";
import { eventually } from "../eventually.ts";
import { startGateway } from "./_gateway.ts";
import { startLoad } from "./_load.ts";
import { startOriginProcess } from "./_origin_process.ts";
import { testConfig } from "./test_config.ts";

for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
  Deno.test(`no GET fails when one of two upstreams gets ${signal} under load`, async () => {
    await using stack = new AsyncDisposableStack();
    const one = stack.adopt(await startOriginProcess(5), (origin) => origin.close());
    const two = stack.adopt(await startOriginProcess(5), (origin) => origin.close());
    const gateway = stack.adopt(
      await startGateway({
        config: (places) =>
          testConfig(places, {
            pools: {
              films: {
                type: "tmdb-api",
                api_keys: [demoApiKey],
                upstreams: [one.url, two.url],
                timeouts: { connect: "3s", first_byte: "2s", total: "5m" },
                health: { interval: "3s", timeout: "2s", unhealthy_interval: "2s" },
              },
            },
            listeners: [{ name: "films", prefix: "/3", pool: "films", cache: { mode: "off" } }],
          }),
      }),
      (running) => running.close(),
    );
    const load = startLoad({ url: (n) => `${gateway.url}/3/movie/550?page=${n}` });
    await load.more(200);
    one.signal(signal);
    await eventually("the gateway takes the upstream out", async () => {
      const upstreams = (await gateway.status()).pools[0]?.upstreams ?? [];
      const state = upstreams.find(({ url }) => url === one.url)?.state;
      return state === "unhealthy" || state === "ejected";
    });
    await load.more(200);
    if (signal === "SIGSTOP") {
      one.signal("SIGCONT");
      await eventually("the gateway takes it in again", async () => {
        const upstreams = (await gateway.status()).pools[0]?.upstreams ?? [];
        return upstreams.find(({ url }) => url === one.url)?.state === "healthy";
      });
      await load.more(50);
    }
    const { failures, answered, sent } = await load.stop();
    assert.deepEqual(failures, []);
    assert.equal(answered, sent);
  });
}
