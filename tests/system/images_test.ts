import assert from "node:assert/strict";
import { decoded, drawn } from "../image/pictures.ts";
import { filePath } from "../origins/artwork.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { eventually } from "../eventually.ts";
import { fetched, type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";

const BROWSER = { accept: "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8" };
const FFI = ["--allow-ffi"];

/** One image listener over an origin. */
function configFor(originUrl: string, images: unknown, top: unknown = {}) {
  return ({ port, adminPort, dataDir }: GatewayPlaces) =>
    JSON.stringify({
      server: { data_dir: dataDir, workers: 2 },
      admin: { listen: `127.0.0.1:${adminPort}` },
      images: top,
      pools: { p: { type: "tmdb-image", health: false, upstreams: [originUrl] } },
      listeners: [{ name: "pictures", listen: `127.0.0.1:${port}`, prefix: "/t/p", pool: "p", images }],
    });
}

/** A counter or gauge of the gateway, by its line's beginning. */
async function metric(gateway: RunningGateway, beginning: string): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const line = text.split("\n").find((line) => line.startsWith(beginning));
  return line === undefined ? NaN : Number(line.split(" ").at(-1));
}

const conversions = (gateway: RunningGateway, result: string) =>
  metric(gateway, `usher_image_conversions_total{listener="pictures",result="${result}"}`);

/** Waits until the image worker has loaded what it converts with. */
const convertible = (gateway: RunningGateway) =>
  eventually("pictures can be converted", async () => await metric(gateway, "usher_image_converter_up") === 1);

Deno.test("pictures are converted once: for all workers, and after a restart", async () => {
  const origin = await startTmdbOrigin();
  const config = configFor(origin.url, { convert: { wait: "60s", effort: { avif: 0 } }, derive: { wait: "60s" } });
  const path = `/t/p/original${filePath("poster", "movie/550").replace(".jpg", ".png")}`;
  const original = await fetched(origin.url + path);
  const tags = new Set<string>();
  const ask = async (gateway: RunningGateway, target = path, headers: HeadersInit = BROWSER) => {
    // A connection of its own each time, so that both workers are asked.
    const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const answer = await fetched(gateway.url + target, { headers, client } as RequestInit);
    client.close();
    return answer;
  };

  const first = await startGateway({ config, permissions: FFI });
  await eventually(
    "the image worker answers",
    async () => (await ask(first)).headers.get("content-type") === "image/avif",
  );
  for (let turn = 0; turn < 8; turn++) {
    let answer = await ask(first);
    // A worker that learns of the conversion a moment late serves the original meanwhile, and does not convert again.
    await eventually("this worker has it too", async () => {
      answer = await ask(first);
      return answer.headers.get("content-type") === "image/avif";
    });
    assert.deepEqual(await decoded(answer.bytes), { format: "avif", width: 1000, height: 1500 });
    assert.ok(answer.bytes.byteLength < original.bytes.byteLength);
    assert.equal(answer.headers.get("vary"), "Accept");
    tags.add(answer.headers.get("etag")!);
  }
  assert.equal(await conversions(first, "done"), 1);
  assert.deepEqual((await ask(first, path, {})).bytes, original.bytes);

  const derived = await ask(first, path.replace("original", "w342"), {});
  assert.deepEqual(await decoded(derived.bytes), { format: "png", width: 342, height: 513 });
  assert.equal(await conversions(first, "derived"), 1);
  assert.equal(origin.count("/t/p/w342"), 0);
  first.signal("SIGTERM");
  assert.equal(await first.ended(), 0);

  const second = await startGateway({ config, directory: first.directory, permissions: FFI });
  const { headers, cacheStatus } = await ask(second);
  tags.add(headers.get("etag")!);
  assert.match(cacheStatus, /hit.*detail=kv/);
  assert.equal(tags.size, 1);
  assert.equal(await conversions(second, "done"), 0);

  const purged = await fetch(`${second.adminUrl}/purge`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ listener: "pictures", url: path, hard: true }),
  });
  assert.equal(purged.status, 200, await purged.text());
  await convertible(second);
  await eventually("it is converted anew", async () => {
    return (await ask(second)).headers.get("content-type") === "image/avif";
  });
  assert.equal(await conversions(second, "done"), 1);
  await second.close();
  await origin.close();
});

Deno.test("with the conversion pool full the original is served, and a stop waits for no conversion", async () => {
  const noise = await drawn("jpeg", { width: 1500, height: 2250, look: "noise" });
  const origin = await startScriptedOrigin((exchange) =>
    exchange.reply({ fields: [["content-type", "image/jpeg"], ["cache-control", "max-age=99"]], body: noise })
  );
  const convert = { formats: ["avif"], effort: { avif: 9 }, wait: 0 };
  const config = configFor(origin.url, { convert }, { concurrency: 1, queue: 0, timeout: "10m" });
  const gateway = await startGateway({ config, permissions: FFI });
  await convertible(gateway);
  // Large pictures come in beside the client's stream: the second request finds them stored.
  const ask = async (name: string) => {
    for (let turn = 0; turn < 2; turn++) {
      const { status, bytes, headers } = await fetched(`${gateway.url}/t/p/original/${name}.jpg`, { headers: BROWSER });
      assert.deepEqual([status, bytes.byteLength, headers.get("vary")], [200, noise.byteLength, "Accept"]);
    }
  };
  await ask("first");
  await eventually("a conversion is under way", async () => {
    return await metric(gateway, 'usher_image_queue{state="running"}') === 1;
  });
  await eventually(
    "another one is refused",
    async () => (await ask("second"), await conversions(gateway, "refused") > 0),
  );
  assert.equal(await conversions(gateway, "done"), 0);
  gateway.signal("SIGTERM");
  assert.equal(await gateway.ended(), 0);
  await gateway.close();
  await origin.close();
});

Deno.test("without --allow-ffi the original is served, the log says once why, and sizes fall back all the same", async () => {
  const origin = await startTmdbOrigin();
  const images = { convert: { wait: "60s" }, size_fallback: true, max_size: { width: 780 } };
  const gateway = await startGateway({ config: configFor(origin.url, images) });
  await gateway.logged("Pictures cannot be converted: originals are served");
  await gateway.logged("listeners[0].images.convert: ");
  const path = `/t/p/w500${filePath("poster", "movie/550")}`;
  const original = await fetched(origin.url + path);
  for (let turn = 0; turn < 3; turn++) {
    const { bytes, headers } = await fetched(gateway.url + path, { headers: BROWSER });
    assert.deepEqual(bytes, original.bytes);
    assert.equal(headers.get("content-type"), "image/jpeg");
  }
  assert.equal(await metric(gateway, "usher_image_converter_up"), 0);
  assert.ok(await conversions(gateway, "unavailable") > 0);
  assert.equal(gateway.log().split("Pictures cannot be converted").length, 2);

  const backdrop = filePath("backdrop", "movie/550");
  const largest = await fetched(`${origin.url}/t/p/w780${backdrop}`);
  origin.fault = ({ target }) =>
    /^\/t\/p\/w(?:342|500)\//.test(target) ? new Response("gone", { status: 404 }) : undefined;
  const missing = await fetched(`${gateway.url}/t/p/w342${backdrop}`);
  assert.deepEqual(missing.bytes, largest.bytes);
  assert.equal(missing.headers.get("content-location"), `/t/p/w780${backdrop}`);
  assert.deepEqual((await fetched(`${gateway.url}/t/p/original/${backdrop}`)).bytes, largest.bytes);
  assert.equal(origin.count(`/t/p/original${backdrop}`), 0);
  const none = await fetched(`${gateway.url}/t/p/w342/gone.jpg`);
  assert.equal(none.status, 404);
  assert.equal(origin.count(/^\/t\/p\/[^/]+\/gone\.jpg/), 4);
  const purged = await fetch(`${gateway.adminUrl}/purge`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ listener: "pictures", tag: "size:w780", hard: true }),
  });
  assert.equal(purged.status, 200, await purged.text());
  origin.fault = null;
  const own = await fetched(`${gateway.url}/t/p/w342${backdrop}`);
  assert.deepEqual(own.bytes, (await fetched(`${origin.url}/t/p/w342${backdrop}`)).bytes);
  assert.equal(own.headers.get("content-location"), null);
  await gateway.close();
  await origin.close();
});
