import assert from "node:assert/strict";
import { join } from "node:path";
import { madeAuthority } from "../certificates/made.ts";
import { HAS_REDIS, type Redis, startRedis } from "../cluster/redis_server.ts";
import { eventually } from "../eventually.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

const SECRETS = { CLUSTER_SECRET: "a-secret-of-the-cluster", ENGINE_PASSWORD: "a-password-of-the-engine" };

/** Connections that are refused one after the other. */
const REFUSALS = 12;

/** How the connection of the supervisor is. */
interface EngineStatus {
  readonly connection: string;
  readonly problem: string | null;
  readonly connections: number;
}

async function engineOf(gateway: RunningGateway): Promise<EngineStatus> {
  return (await (await fetch(`${gateway.adminUrl}/status`)).json()).cluster.engine;
}

async function gatewayOf(stack: AsyncDisposableStack, cluster: Readonly<Record<string, unknown>>) {
  const origin = stack.adopt(
    await startScriptedOrigin((exchange) => exchange.reply({ body: "hello" })),
    (one) => one.close(),
  );
  const gateway = await startGateway({
    env: SECRETS,
    config: (places) =>
      testConfig(places, {
        server: { workers: 1 },
        cluster: { secret: "${CLUSTER_SECRET}", member: "one", ...cluster },
        cache: { shared: true },
        pools: { site: customPool([origin.url]) },
        listeners: [{ name: "site", pool: "site" }],
      }),
  });
  return stack.adopt(gateway, (one) => one.close());
}

/** No secret stands in what the gateway tells. */
async function assertSecretsKept(gateway: RunningGateway, secrets: readonly string[]): Promise<void> {
  const pages = ["/status", "/metrics", "/config", "/problems"].map((path) => fetch(gateway.adminUrl + path));
  const texts = await Promise.all((await Promise.all(pages)).map((answer) => answer.text()));
  for (const secret of [...Object.values(SECRETS), ...secrets]) {
    assert.ok(![...texts, gateway.log()].some((text) => text.includes(secret)), "a secret is told");
  }
}

async function served(gateway: RunningGateway): Promise<string> {
  return await (await fetch(`${gateway.url}/${crypto.randomUUID()}`)).text();
}

Deno.test({
  name: "cluster: a gateway says how its engine is, serves without it, and finds it again",
  ignore: !HAS_REDIS,
}, async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis({ settings: ["--requirepass", SECRETS.ENGINE_PASSWORD] }));
  const gateway = await gatewayOf(stack, { engine: redis.url, password: "${ENGINE_PASSWORD}" });
  const metric = async (name: string) => {
    const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    return Number(new RegExp(`^${name}\\{worker="supervisor"[^}]*\\} (\\S+)$`, "m").exec(text)?.[1]);
  };
  await eventually("it is connected", async () => (await engineOf(gateway)).connection === "ready");
  assert.equal(await metric("usher_engine_up"), 1);
  assert.equal(await served(gateway), "hello");
  await redis.kill();
  await eventually("the loss is told", async () => (await engineOf(gateway)).connection === "down");
  assert.equal(await metric("usher_engine_up"), 0);
  assert.equal(await served(gateway), "hello");
  await redis.restart();
  await eventually("it is connected again", async () => (await engineOf(gateway)).connection === "ready");
  assert.ok(await metric("usher_engine_connections_total") >= 2);
  const warnings = gateway.log().split("\n").filter((line) => line.includes("engine cannot be used"));
  assert.ok(warnings.length <= 2, warnings.join("\n"));
  await assertSecretsKept(gateway, []);
});

/** How often TLS or a password was refused, as the server counts. */
async function refusals(redis: Redis, log: RegExp): Promise<number> {
  return [...(await Deno.readTextFile(join(redis.folder, "log"))).matchAll(log)].length;
}

/** A gateway that is refused again and again goes on with the workers that it had, and serves. */
export async function refusedGateway(
  kind: "no certificate" | "expired certificate" | "unknown authority" | "wrong password",
  times: number,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const authority = await madeAuthority();
  const folder = await Deno.makeTempDir({ prefix: "usher-test-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const isPassword = kind === "wrong password";
  const tls = { ca: authority.ca, ...await authority.leaf(["localhost"]) };
  const own = { settings: ["--loglevel", "verbose", ...isPassword ? ["--requirepass", "another-password"] : []] };
  const redis = stack.use(await startRedis(isPassword ? own : { ...own, tls }));
  const old = await authority.leaf(["localhost"], { use: "client", notAfterMs: Date.now() - 60_000 });
  const texts = {
    ca: kind === "unknown authority" ? (await madeAuthority()).ca : authority.ca,
    cert: old.cert,
    key: old.key,
  };
  for (const [name, text] of Object.entries(texts)) {
    await Deno.writeTextFile(join(folder, `${name}.pem`), text, { mode: 0o600 });
  }
  const shown = kind === "expired certificate" ? { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") } : {};
  const gateway = await gatewayOf(stack, {
    engine: redis.url,
    ...isPassword ? { password: "${ENGINE_PASSWORD}" } : { ca: join(folder, "ca.pem"), ...shown },
  });
  const log = isPassword ? /Accepted / : /Error accepting a client connection/g;
  await eventually(`${kind}: refused ${times} times`, async () => await refusals(redis, new RegExp(log, "g")) >= times);
  const { connection, problem } = await engineOf(gateway);
  assert.equal(connection, "down");
  assert.match(problem ?? "", isPassword ? /WRONGPASS/ : /[Cc]ertificate|alert|authority|issuer/);
  assert.deepEqual((await gateway.status()).workers.map(({ restarts }) => restarts), [0, 0]);
  assert.equal(await served(gateway), "hello");
  await assertSecretsKept(gateway, ["another-password", texts.key.slice(40, 80)]);
}

for (const kind of ["no certificate", "expired certificate", "unknown authority", "wrong password"] as const) {
  Deno.test(
    { name: `cluster: an engine that refuses (${kind}) ends no worker and no request`, ignore: !HAS_REDIS },
    () => refusedGateway(kind, REFUSALS),
  );
}
