import assert from "node:assert/strict";
import { configOf, SOUND } from "./load_text.ts";

const DEFAULT_RESILIENCE = {
  panic: "serve-all",
  panicThreshold: 0.5,
  slowStartMs: 30_000,
  weights: {
    baseMultiplier: 1,
    dynamicMultiplier: 1,
    alphaInitial: 0.5,
    alphaStep: 0.05,
    fastHalfLifeMs: 5000,
    slowHalfLifeMs: 120_000,
    failurePenaltyMs: 5000,
  },
  outliers: {
    failureRatio: 0.5,
    windowMs: 10_000,
    minVolume: 20,
    ejectionMs: 10_000,
    maxEjectionMs: 300_000,
    maxEjected: 0.5,
    halfOpenSuccesses: 3,
  },
  retry: { attempts: 3, backoffMs: 50, maxBackoffMs: 2000, budget: 0.2, budgetFloor: 3 },
  hedge: null,
};

Deno.test("buildConfig() fills every default", async () => {
  assert.deepEqual(await configOf(SOUND), {
    server: {
      name: "usher",
      workers: 4,
      dataDir: "/etc/usher/data",
      shutdownGraceMs: 30_000,
      workerTimeoutMs: 10_000,
      trustedProxies: [],
      reusePort: "auto",
      cpuAffinity: false,
      limits: {
        headTimeoutMs: 10_000,
        handshakeTimeoutMs: 10_000,
        idleTimeoutMs: 75_000,
        bodyTimeoutMs: 30_000,
        bodyBytesPerSecond: 1024,
        sendTimeoutMs: 60_000,
        maxConnections: "auto",
        reserveDescriptors: 128,
        perAddress: 0,
        maxFields: 100,
        fieldsBytes: 32 * 1024,
        targetBytes: 16 * 1024,
        pipeline: 16,
      },
    },
    admin: { listen: { hostname: "127.0.0.1", port: 6636 }, tls: null, token: null, peers: [] },
    logging: { level: "info", format: "text", access: "errors" },
    cache: {
      memoryBytes: 256 * 1024 ** 2,
      diskBytes: 10 * 1024 ** 3,
      minFreeDiskBytes: 256 * 1024 ** 2,
      maxEntryBytes: 16 * 1024 ** 2,
      fillMemoryBytes: 64 * 1024 ** 2,
      fillTimeoutMs: 30_000,
      collapseTimeoutMs: 5000,
      backgroundFill: true,
    },
    images: { concurrency: 2, queue: 64, timeoutMs: 20_000, maxBytes: 16 * 1024 ** 2, maxPixels: 16_000_000 },
    pools: [{
      name: "a",
      type: "custom",
      strategy: "weighted-ewma",
      upstreams: [{
        id: "https://one.example",
        url: "https://one.example",
        weight: 1,
        backup: false,
        ca: null,
        host: null,
        resolve: null,
        maxConnections: 256,
        proxy: null,
        clientCertificate: null,
        allowPrivate: false,
        http2: false,
        usher: false,
        maxIdle: null,
        idleTimeoutMs: 55_000,
        maxInFlight: null,
        maxPerSecond: null,
      }],
      timeouts: { connectMs: 3000, firstByteMs: 10_000, idleMs: 30_000, totalMs: 30_000 },
      resilience: DEFAULT_RESILIENCE,
      health: {
        enabled: true,
        method: null,
        path: null,
        fields: {},
        status: null,
        contains: null,
        intervalMs: 30_000,
        unhealthyIntervalMs: 5000,
        timeoutMs: 5000,
        rise: 2,
        fall: 2,
        maxFailures: 5,
      },
      apiKeys: [],
      keyMode: "inject-missing",
      keyLimits: { per: "pool", maxPerSecond: 35, burst: 10 },
      imageAccept: "named",
      contentTypes: null,
      changeFeed: null,
      preserveHost: false,
      forwarded: null,
      upgrade: null,
      tunnels: { idleMs: 300_000, max: 1000 },
    }],
    listeners: [{
      name: "a",
      listen: { hostname: "0.0.0.0", port: 6635 },
      proxyProtocol: false,
      tls: null,
      redirectToHttps: false,
      maxRequestBodyBytes: 100 * 1024 ** 2,
      forwardFields: [],
      hosts: [],
      prefix: "/",
      stripPrefix: false,
      pool: "a",
      cache: {
        mode: null,
        rules: [],
        query: { include: null, exclude: [], sort: false },
        setCookie: null,
        cookies: null,
        range: null,
        targetedFields: ["cdn-cache-control"],
        compress: {
          enabled: null,
          minBytes: 1024,
          types: [
            "text/*",
            "application/json",
            "application/ld+json",
            "application/manifest+json",
            "application/problem+json",
            "application/javascript",
            "application/xml",
            "application/atom+xml",
            "application/rss+xml",
            "image/svg+xml",
          ],
          codings: ["zstd", "br", "gzip"],
        },
        sharedStale: false,
        statusKey: false,
        reuseAppends: false,
        diskQuotaBytes: null,
      },
      auth: null,
      cors: null,
      limits: { maxInFlight: null, queueSize: 256, queueTimeoutMs: 2000, rate: null },
      offline: false,
      publicUrl: null,
      rewriteImageBase: true,
      overrides: [],
      rules: [],
      redirects: "map",
      prewarm: { targets: [], file: null, concurrency: 2, ratePerSecond: 10, atStart: true, everyMs: null },
      images: { convert: null, derive: null },
    }],
  });
});

Deno.test("buildConfig() carries every key over", async () => {
  const config = await configOf(`
server: { name: edge, workers: 2, data_dir: /var/usher, shutdown_grace: 1m, worker_timeout: 5s,
  trusted_proxies: [10.0.0.0/8], max_request_body: 1MB, reuse_port: false,
  cpu_affinity: [0, 2],
  limits: { head_timeout: 10ms, handshake_timeout: 11ms, idle_timeout: 12ms, body_timeout: 13ms, body_rate: 14,
    send_timeout: 15ms, max_connections: 16, reserve_descriptors: 17, per_address: 18, max_fields: 19,
    fields_size: 2KiB, target_size: 256, pipeline: 20 } }
admin: { listen: "[::1]:1", token: s3cret, peers: [{ url: "http://b.example:6636/", token: t }, { url: "https://c.example" }] }
logging: { level: debug, format: json, access: all }
images: { concurrency: 3, queue: 4, timeout: 5s, max_size: 6MiB, max_pixels: 7 }
cache: { memory: 1MiB, disk: 2MiB, min_free_disk: 7MiB, max_entry: 3KiB, fill_memory: 4MiB, fill_timeout: 6ms, collapse_timeout: 5ms, background_fill: false }
pools:
  p:
    type: custom
    strategy: round-robin
    upstreams: [{ url: http://a.example/x, weight: 2.5, host: b.example, resolve: "::1", max_connections: 7,
      proxy: "socks5h://me:p%40ss@proxy.example", allow_private: true, usher: true, max_idle: 3, idle_timeout: 5s,
      max_in_flight: 8, max_rps: 1.5 }]
    timeouts: { connect: 1ms, first_byte: 2ms, idle: 3ms, total: 4ms }
    retry: { attempts: 1 }
    health: { enabled: false, method: HEAD, path: /h?x, fields: { accept: "*/*" }, status: [200, 300-399], contains: ok,
      interval: 10s, unhealthy_interval: 2s, timeout: 1s, rise: 3, fall: 4, max_failures: 6 }
    key_mode: pass
    key_limits: { per: key, max_rps: 2.5, burst: 1 }
    image_accept: negotiate
    content_types: { allow: [Image/*], deny: [text/html], verify: [application/json] }
    preserve_host: true
    forwarded: both
    upgrade: [websocket]
    tunnels: { idle: 7s, max: 8 }
listeners:
  - name: l
    listen: 127.0.0.1:2
    proxy_protocol: true
    max_request_body: 2MB
    forward_fields: [X-Forwarded-Scheme, front-end-https, x-forwarded-scheme]
    host: ["*.a.example", "*.A.example"]
    prefix: /x/
    strip_prefix: true
    pool: p
    max_in_flight: 9
    queue: { size: 10, timeout: 11ms }
    offline: auto
    public_url: https://p.example/x/
    rewrite_image_base: false
    overrides: [{ path: /y, query: { q: "1" }, merge: { z: null } }]
    redirects: keep
    images:
      convert: { formats: [webp], quality: { avif: 1, webp: 2 }, effort: { avif: 3, webp: 4 }, min_size: 5KiB, wait: 6s }
      derive: { quality: 7, wait: 8s }
    prewarm: { paths: [/a, "http://h/b?c", /a], file: list.txt, concurrency: 3, rate: 4, at_start: false, every: 5m }
    cache:
      mode: "off"
      query: { include: [q], exclude: [utm_*], sort: true }
      disk_quota: 1MiB
      status_key: true
      shared_stale: true
      set_cookie: strip
      cookies: { key: [b, a, b] }
      range: fetch-full
      targeted_fields: [My-Cache-Control]
      compress: { enabled: true, min_size: 2KiB, types: [text/html], codings: [gzip] }
      rules:
        - { path: /a/**, content_type: image/*, status: 404, ttl: 1s, min_ttl: 2s, max_ttl: 3s,
            stale_while_revalidate: 4s, stale_if_error: 5s, memory: false, disk: false }
`);
  assert.deepEqual(config, {
    server: {
      name: "edge",
      workers: 2,
      dataDir: "/var/usher",
      shutdownGraceMs: 60_000,
      workerTimeoutMs: 5000,
      trustedProxies: ["10.0.0.0/8"],
      reusePort: false,
      cpuAffinity: [0, 2],
      limits: {
        headTimeoutMs: 10,
        handshakeTimeoutMs: 11,
        idleTimeoutMs: 12,
        bodyTimeoutMs: 13,
        bodyBytesPerSecond: 14,
        sendTimeoutMs: 15,
        maxConnections: 16,
        reserveDescriptors: 17,
        perAddress: 18,
        maxFields: 19,
        fieldsBytes: 2048,
        targetBytes: 256,
        pipeline: 20,
      },
    },
    admin: {
      listen: { hostname: "::1", port: 1 },
      tls: null,
      token: "s3cret",
      peers: [{ url: "http://b.example:6636", token: "t" }, { url: "https://c.example", token: null }],
    },
    logging: { level: "debug", format: "json", access: "all" },
    cache: {
      memoryBytes: 1024 ** 2,
      diskBytes: 2 * 1024 ** 2,
      minFreeDiskBytes: 7 * 1024 ** 2,
      maxEntryBytes: 3072,
      fillMemoryBytes: 4 * 1024 ** 2,
      fillTimeoutMs: 6,
      collapseTimeoutMs: 5,
      backgroundFill: false,
    },
    images: { concurrency: 3, queue: 4, timeoutMs: 5_000, maxBytes: 6 * 1024 ** 2, maxPixels: 7 },
    pools: [{
      name: "p",
      type: "custom",
      strategy: "round-robin",
      upstreams: [{
        id: "http://a.example/x",
        url: "http://a.example/x",
        weight: 2.5,
        backup: false,
        ca: null,
        host: "b.example",
        resolve: "::1",
        maxConnections: 7,
        proxy: "socks5://me:p%40ss@proxy.example:1080",
        clientCertificate: null,
        allowPrivate: true,
        http2: false,
        usher: true,
        maxIdle: 3,
        idleTimeoutMs: 5000,
        maxInFlight: 8,
        maxPerSecond: 1.5,
      }],
      timeouts: { connectMs: 1, firstByteMs: 2, idleMs: 3, totalMs: 4 },
      resilience: {
        ...DEFAULT_RESILIENCE,
        retry: { ...DEFAULT_RESILIENCE.retry, attempts: 1 },
      },
      health: {
        enabled: false,
        method: "HEAD",
        path: "/h?x",
        fields: { accept: "*/*" },
        status: [[200, 200], [300, 399]],
        contains: "ok",
        intervalMs: 10_000,
        unhealthyIntervalMs: 2000,
        timeoutMs: 1000,
        rise: 3,
        fall: 4,
        maxFailures: 6,
      },
      apiKeys: [],
      keyMode: "pass",
      keyLimits: { per: "key", maxPerSecond: 2.5, burst: 1 },
      imageAccept: "negotiate",
      changeFeed: null,
      contentTypes: { allow: ["image/*"], deny: ["text/html"], verify: ["application/json"] },
      preserveHost: true,
      forwarded: "both",
      upgrade: ["websocket"],
      tunnels: { idleMs: 7000, max: 8 },
    }],
    listeners: [{
      name: "l",
      listen: { hostname: "127.0.0.1", port: 2 },
      proxyProtocol: true,
      tls: null,
      redirectToHttps: false,
      maxRequestBodyBytes: 2_000_000,
      forwardFields: ["front-end-https", "x-forwarded-scheme"],
      hosts: ["*.a.example"],
      prefix: "/x",
      stripPrefix: true,
      pool: "p",
      cache: {
        mode: "off",
        rules: [{
          path: "/a/**",
          contentType: "image/*",
          status: [[404, 404]],
          ttlMs: 1000,
          minTtlMs: 2000,
          maxTtlMs: 3000,
          staleWhileRevalidateMs: 4000,
          staleIfErrorMs: 5000,
          memory: false,
          disk: false,
        }],
        query: { include: ["q"], exclude: ["utm_*"], sort: true },
        setCookie: "strip",
        cookies: { key: ["a", "b"] },
        range: "fetch-full",
        targetedFields: ["my-cache-control"],
        compress: { enabled: true, minBytes: 2048, types: ["text/html"], codings: ["gzip"] },
        sharedStale: true,
        statusKey: true,
        reuseAppends: false,
        diskQuotaBytes: 1024 ** 2,
      },
      auth: null,
      cors: null,
      limits: { maxInFlight: 9, queueSize: 10, queueTimeoutMs: 11, rate: null },
      offline: "auto",
      publicUrl: "https://p.example/x",
      rewriteImageBase: false,
      overrides: [{ path: "/y", query: { q: "1" }, merge: { z: null } }],
      rules: [],
      redirects: "keep",
      prewarm: {
        targets: ["/a", "http://h/b?c"],
        file: "/etc/usher/list.txt",
        concurrency: 3,
        ratePerSecond: 4,
        atStart: false,
        everyMs: 300_000,
      },
      images: {
        convert: {
          formats: ["webp"],
          quality: { avif: 1, webp: 2 },
          effort: { avif: 3, webp: 4 },
          minBytes: 5 * 1024,
          waitMs: 6000,
        },
        derive: { quality: 7, waitMs: 8000 },
      },
    }],
  });
});

Deno.test("buildConfig() freezes all of it, and structuredClone() carries it to a worker", async () => {
  const config = await configOf(SOUND);
  const thawed: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null) return;
    if (!Object.isFrozen(value)) thawed.push(path);
    for (const [key, item] of Object.entries(value)) visit(item, `${path}.${key}`);
  };
  visit(config, "config");
  assert.deepEqual(thawed, []);
  assert.deepEqual(structuredClone(config), config);
});

Deno.test("buildConfig() limits no key where key_limits is false", async () => {
  const { pools } = await configOf(
    "pools: { a: { type: tmdb-api, key_limits: false, upstreams: [https://one.example] } }\n" +
      "listeners: [{ name: a, pool: a }]\n",
  );
  assert.equal(pools[0]!.keyLimits, null);
});
