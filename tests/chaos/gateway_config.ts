import { customPool, testConfig } from "../system/test_config.ts";
import { TOKENS } from "./plan.ts";
import { TTL_SECONDS } from "./resources.ts";

/** Where the gateway under test is, and its origins. */
export interface Places {
  readonly port: number;
  readonly adminPort: number;
  readonly dataDir: string;
  /** Two origins: the first one speaks plainly, the second one by TLS too. */
  readonly upstreams: { readonly plain: readonly [string, string]; readonly secure: string; readonly ca: string };
}

/** As long as a busy machine may take, and no longer in all than a client waits. */
const TIMEOUTS = { connect: "9s", first_byte: "9s", idle: "9s", total: "32s" };
const HEALTH = {
  path: "/_health",
  method: "GET",
  status: ["200-299"],
  interval: "10s",
  unhealthy_interval: "1s",
  timeout: "5s",
};
const OUTLIERS = { ejection_time: "2s", max_ejection_time: "5s", window: "5s" };

/** The configuration in one of its variants: they differ in lifetimes, sizes, weights and in what else is served. */
export function chaosConfig({ upstreams, ...places }: Places, variant: number): string {
  const isOdd = variant % 2 === 1;
  const pool = (more: Readonly<Record<string, unknown>>) => ({
    health: HEALTH,
    outliers: OUTLIERS,
    timeouts: TIMEOUTS,
    ...more,
  });
  const [first, second] = upstreams.plain;
  const ttl = ({ ttl, swr, sie }: { readonly ttl: number; readonly swr: number; readonly sie: number }) => ({
    ttl: `${isOdd ? ttl - 1 : ttl}s`,
    stale_while_revalidate: `${swr}s`,
    stale_if_error: `${sie}s`,
  });
  return testConfig(places, {
    // A worker that hangs is noticed while a run lasts.
    server: {
      workers: 2,
      worker_timeout: "10s",
      shutdown_grace: "10s",
      limits: {
        head_timeout: "3s",
        body_timeout: "5s",
        send_timeout: "8s",
        idle_timeout: "20s",
        max_connections: variant % 4 > 1 ? 10_000 : "auto",
      },
    },
    logging: { access: "off" },
    cache: {
      memory: isOdd ? "8MiB" : "6MiB",
      disk: "24MiB",
      min_free_disk: "1MiB",
      collapse_timeout: "5s",
      fill_timeout: "8s",
    },
    pools: {
      api: pool({
        type: "tmdb-api",
        api_keys: ["0123456789abcdef0123456789abcdef"],
        key_limits: false,
        upstreams: [{ url: first, weight: isOdd ? 2 : 1 }, second],
      }),
      images: pool({
        type: "tmdb-image",
        health: { ...HEALTH, path: "/_health.jpg" },
        upstreams: [first, { url: upstreams.secure, ca: upstreams.ca }],
      }),
      custom: pool({
        ...customPool([first, { url: upstreams.secure, ca: upstreams.ca, weight: isOdd ? 3 : 1 }]),
        timeouts: TIMEOUTS,
        health: HEALTH,
        content_types: { allow: ["text/plain", "application/json"] },
      }),
    },
    listeners: [
      listener("api", "/3", { pool: "api", cache: { rules: [{ path: "/**", ...ttl(TTL_SECONDS.api) }] } }),
      listener("images", "/t/p", { pool: "images", cache: { rules: [{ path: "/**", ...ttl(TTL_SECONDS.images) }] } }),
      listener("site", "/site", { pool: "custom", strip_prefix: true }),
      listener("closed", "/closed", {
        pool: "custom",
        strip_prefix: true,
        auth: { tokens: { one: TOKENS[0], two: TOKENS[1] } },
      }),
      listener("users", "/users", { pool: "custom", strip_prefix: true }),
      ...isOdd ? [listener("extra", "/extra", { pool: "custom", strip_prefix: true })] : [],
    ],
  });
}

function listener(name: string, prefix: string, more: Readonly<Record<string, unknown>>) {
  return { name, prefix, ...more, rules: [{ request: { set: { "x-chaos-listener": name } } }] };
}
