import assert from "node:assert/strict";
import { HAS_REDIS } from "../cluster/redis_server.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterOptions, startCluster } from "./cluster_gateways.ts";
import { catalogue, fetchesOnce, sharedCount, sharesTargets, slowOrigin } from "./sharing_checks.ts";

type Step = (criterion: string, body: () => Promise<void>) => Promise<boolean>;

/** A test over one set of gateways. */
function clusterTest(
  name: string,
  options: ClusterOptions,
  body: (cluster: Cluster, step: Step) => Promise<void>,
): void {
  Deno.test({
    name: `cluster: ${name}`,
    ignore: !HAS_REDIS,
    fn: async (t) => {
      await using cluster = await startCluster(options);
      await body(cluster, (criterion, step) => t.step(criterion, step));
    },
  });
}

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

clusterTest("what one gateway has fetched all have", { gateways: 3, origin: catalogue }, async (cluster, step) => {
  await step(
    "each target is asked for once, and its bytes and fields are the origin's everywhere",
    () => sharesTargets(cluster, 14),
  );

  await step("HEAD, a range and only-if-cached are answered from it too", async () => {
    const [range, head, cached] = ["/sized/5000/range", "/sized/5000/head", "/sized/5000/cached"];
    for (const target of [range, head, cached]) await cluster.ask(0, target);
    const part = await cluster.ask(1, range, { headers: { range: "bytes=10-19" } });
    assert.deepEqual([part.status, part.bytes.length], [206, 10]);
    assert.match(part.cacheStatus, /detail=shared/);
    const asked = await cluster.ask(1, head, { method: "HEAD" });
    assert.equal(asked.headers.get("content-length"), "5000");
    assert.match(asked.cacheStatus, /detail=shared/);
    const stored = await cluster.ask(1, cached, { headers: { "cache-control": "only-if-cached" } });
    assert.equal(stored.bytes.length, 5_000);
    assert.equal((await cluster.ask(2, "/sized/1/x", { headers: { "cache-control": "only-if-cached" } })).status, 504);
    for (const target of [range, head, cached]) assert.equal(cluster.asked(target), 1);
  });

  await step("nothing is answered that was changed in the engine, and that is counted", async () => {
    const target = "/sized/5000/damaged";
    await cluster.ask(0, target);
    await eventually("it is put", async () => await sharedCount(cluster, 0, 'puts_total{result="put"}') > 0);
    const keys = (await cluster.redis.command("KEYS", "u:usher:e:*") as Uint8Array[]).map(textOf);
    for (const key of keys) await cluster.redis.command("SETRANGE", key, 3_000, "x");
    const found = await cluster.ask(1, target);
    assert.match(found.cacheStatus, /fwd=uri-miss; stored/);
    assert.equal(cluster.asked(target), 2);
    await eventually(
      "it is counted",
      async () => await sharedCount(cluster, 1, 'refused_entries_total{reason="corrupt"}') === 1,
    );
  });

  await step(
    "what a purge names is not served from it either, and what is fetched after it is shared again",
    async () => {
      const purge = (order: Record<string, unknown>) =>
        fetch(`${cluster.gateways[0]!.adminUrl}/purge`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(order),
        });
      for (const [n, order] of [{ url: "/sized/100/purged/0" }, { tag: "size:100" }, { prefix: "/sized" }].entries()) {
        const target = `/sized/100/purged/${n}`;
        await cluster.ask(1, target);
        assert.match((await cluster.ask(2, target)).cacheStatus, /detail=shared/);
        assert.equal((await purge({ ...order, hard: true })).status, 200);
        assert.match((await cluster.ask(0, target)).cacheStatus, /fwd=uri-miss; stored/);
        assert.match((await cluster.ask(2, target)).cacheStatus, /detail=shared/);
        assert.equal(cluster.asked(target), 2);
      }
    },
  );

  await step("what an unsafe request changes is asked for again, by all", async () => {
    const target = "/sized/100/changed";
    for (const gateway of [0, 1]) await cluster.ask(gateway, target);
    await cluster.ask(0, target, { method: "POST", body: "x" });
    assert.match((await cluster.ask(2, target)).cacheStatus, /fwd=uri-miss/);
    assert.equal(cluster.asked(target), 3);
  });
});

const variants: ClusterOptions["origin"] = async (exchange) => {
  const language = exchange.head.fields.find(([name]) => name === "accept-language")?.[1] ?? "none";
  const { target } = exchange.head;
  const control = target.startsWith("/private")
    ? "private, max-age=60"
    : target.startsWith("/short")
    ? "max-age=1"
    : "max-age=600";
  if (exchange.head.fields.some(([name]) => name === "if-none-match")) {
    return await exchange.reply({ status: 304, fields: [["etag", '"1"'], ["cache-control", "max-age=600"]] });
  }
  await exchange.reply({
    fields: [["cache-control", control], ["vary", "accept-language"], ["etag", '"1"']],
    body: `${target} in ${language}`,
  });
};

clusterTest("variants, private responses and renewed ones", {
  gateways: 2,
  origin: variants,
  listener: () => ({
    cache: {
      key_host: "films.example",
      rules: [{ path: "/local/**", shared: false }],
    },
  }),
}, async (cluster, step) => {
  const ask = async (gateway: number, target: string, language: string) => {
    const answer = await cluster.ask(gateway, target, { headers: { "accept-language": language } });
    return { text: textOf(answer.bytes), cacheStatus: answer.cacheStatus };
  };

  await step("each variant is asked for once", async () => {
    for (const [gateway, language] of [[0, "de"], [1, "fr"], [1, "de"], [0, "fr"]] as const) {
      assert.equal((await ask(gateway, "/varied", language)).text, `/varied in ${language}`);
    }
    assert.equal(cluster.asked("/varied"), 2);
    assert.match((await ask(0, "/varied", "fr")).cacheStatus, /detail=memory/);
  });

  await step("a private response is nobody else's, nor is one that a rule keeps here", async () => {
    for (const target of ["/private/1", "/local/1"]) {
      for (const gateway of [0, 1]) assert.match((await ask(gateway, target, "de")).cacheStatus, /fwd=uri-miss/);
      assert.equal(cluster.asked(target), 2);
    }
  });

  await step("who has a stale response takes the one that another gateway has validated", async () => {
    for (const gateway of [0, 1]) await ask(gateway, "/short", "de");
    assert.equal(cluster.asked("/short"), 1);
    await eventually(
      "it is stale, and validated by one",
      async () => /fwd-status=304/.test((await ask(0, "/short", "de")).cacheStatus),
    );
    assert.match((await ask(1, "/short", "de")).cacheStatus, /detail=shared/);
    assert.equal(cluster.asked("/short"), 2);
  });
});

const slow = slowOrigin();

clusterTest("one fetch for all gateways", { gateways: 2, workers: 2, origin: slow.handler }, async (cluster, step) => {
  await step(
    "cold requests at one time at all workers of all gateways reach the origin once",
    () => fetchesOnce(cluster, slow, { rounds: 3, requests: 24 }),
  );

  await step("what is private or too large to be shared keeps nobody waiting once its head is there", async () => {
    const target = "/slow/private";
    const first = cluster.ask(0, target);
    await eventually("it is asked for", () => cluster.asked(target) === 1);
    const second = cluster.ask(1, target);
    await eventually(
      "the other waits",
      async () => (await cluster.gateways[1]!.status()).listeners[0]!.in_flight === 1,
    );
    slow.release();
    await first;
    await eventually("the other asks for itself", () => cluster.asked(target) === 2);
    slow.release();
    await second;
    const large = "/slow/large";
    const [one, two] = [cluster.ask(0, large), cluster.ask(1, large)];
    await eventually("one of them asks", () => cluster.asked(large) === 1);
    // Its head, and not its body.
    slow.release();
    await eventually("the other does not wait for the body", () => cluster.asked(large) === 2);
    const going = setInterval(slow.release, 20);
    assert.deepEqual((await Promise.all([one, two])).map(({ bytes }) => bytes.length), [2_000_000, 2_000_000]);
    clearInterval(going);
  });

  await step("where the gateway that fetches is killed another one takes over", async () => {
    const target = "/slow/killed";
    const first = cluster.ask(0, target).catch(() => null);
    await eventually("it is asked for", () => cluster.asked(target) === 1);
    const second = cluster.ask(1, target);
    await eventually(
      "the other waits",
      async () => (await cluster.gateways[1]!.status()).listeners[0]!.in_flight === 1,
    );
    cluster.gateways[0]!.signal("SIGKILL");
    await first;
    await eventually("the other asks", () => cluster.asked(target) === 2);
    slow.release();
    assert.equal(textOf((await second).bytes), `this is ${target}`);
  });
});

clusterTest("gateways whose listeners of one name differ share nothing", {
  gateways: 3,
  origin: catalogue,
  upstreams: (index, origin) => index === 0 ? [origin.url] : [`${origin.url}/other`],
  listener: (index) => index < 2 ? {} : { rules: [{ when: { path: "/x" }, request: { set: { "x-a": "b" } } }] },
}, async (cluster, step) => {
  await step("with other upstreams, or other rules", async () => {
    for (const gateway of [0, 1, 2]) {
      assert.match((await cluster.ask(gateway, "/sized/10/a")).cacheStatus, /fwd=uri-miss; stored/);
    }
    assert.equal(cluster.asked("/sized/10/a"), 1);
    assert.equal(cluster.asked("/other/sized/10/a"), 2);
  });

  await step("and the status of each names the others", async () => {
    for (const index of [0, 1, 2]) {
      const members = [0, 1, 2].filter((other) => other !== index).map((other) => `gateway-${other}`);
      await eventually("they are named", async () => {
        const { cache } = await (await fetch(`${cluster.gateways[index]!.adminUrl}/status`)).json();
        return JSON.stringify(cache.shared.differences) === JSON.stringify([{ listener: "films", members }]);
      });
    }
  });
});

clusterTest("without its engine each gateway serves as it would alone", {
  gateways: 2,
  origin: catalogue,
  shared: { timeout: "200ms" },
}, async (cluster, step) => {
  const askMany = async (name: string) => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) => cluster.ask(n % 2, `/sized/1000/${name}/${n}`)),
    );
    assert.deepEqual([...new Set(answers.map(({ status, bytes }) => `${status} ${bytes.length}`))], ["200 1000"]);
  };
  const shares = async () => {
    const target = `/sized/1000/${crypto.randomUUID()}`;
    await cluster.ask(0, target);
    return /detail=shared/.test((await cluster.ask(1, target)).cacheStatus);
  };

  await step("while it hangs", async () => {
    assert.ok(await shares());
    cluster.redis.pause();
    await askMany("hung");
    cluster.redis.resume();
    await eventually("it shares again", shares);
  });

  await step("while it is full", async () => {
    await cluster.redis.command("CONFIG", "SET", "maxmemory", 1);
    await askMany("full");
    await cluster.redis.command("CONFIG", "SET", "maxmemory", 0);
  });

  await step("while it is gone, and when it is back with nothing in it", async () => {
    await cluster.redis.kill();
    await askMany("gone");
    await cluster.redis.restart();
    await eventually("it shares again", shares);
  });
});
