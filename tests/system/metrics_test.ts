import assert from "node:assert/strict";
import { readText } from "../house/source_tree.ts";
import { deployedQueries, groupedBy, metricsIn } from "../metrics/deployed.ts";
import { type ReadExposition, readExposition } from "../metrics/exposition_text.ts";
import { hasPromtool, promtool } from "../metrics/promtool.ts";
import { eventually } from "../eventually.ts";
import { type FullGateway, settle, startFullGateway, TV_TOKEN } from "./_full_gateway.ts";
import type { RunningGateway } from "./_gateway.ts";
import { openRaw } from "../raw_connection.ts";
import { rawRequest, requestText } from "./_raw_client.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";

type Labels = Readonly<Record<string, string>>;

/** The metrics of a gateway at one moment. */
class Metrics {
  readonly read: ReadExposition;

  constructor(readonly text: string) {
    this.read = readExposition(text);
  }

  static async of({ adminUrl }: RunningGateway): Promise<Metrics> {
    return new Metrics(await (await fetch(`${adminUrl}/metrics`)).text());
  }

  /** The sum of the samples with these labels. */
  sum(name: string, labels: Labels = {}): number {
    return this.read.samples
      .filter((sample) =>
        sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
      )
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** Values above 0 by a label's value. */
  by(label: string, name: string, labels: Labels = {}): Record<string, number> {
    const values = new Set(this.read.samples.flatMap((sample) => sample.labels[label] ?? []));
    const sums = [...values].map((value) => [value, this.sum(name, { ...labels, [label]: value })] as const);
    return Object.fromEntries(sums.filter(([, sum]) => sum > 0));
  }
}

/** One request as its client saw it. */
interface Seen {
  readonly listener: string;
  readonly status: string;
  readonly result: string;
  readonly bytes: number;
}

/** Sends requests, each over a connection of its own, and counts what comes back. */
class LoadGenerator {
  readonly seen: Seen[] = [];
  connections = 0;
  readonly #port: number;

  constructor({ port }: RunningGateway) {
    this.#port = port;
  }

  async ask(
    listener: string,
    target: string,
    { method = "GET", fields = [], body = "" }: {
      readonly method?: string;
      readonly fields?: readonly [string, string][];
      readonly body?: string;
    } = {},
  ): Promise<Seen> {
    this.connections++;
    const length: [string, string][] = method === "POST" ? [["content-length", String(body.length)]] : [];
    const request = requestText(`${method} ${target}`, [...length, ...fields], body);
    const response = await rawRequest(this.#port, request, { isHead: method === "HEAD" });
    const result = resultOf(response.field("cache-status"));
    const one = { listener, status: `${response.status}`[0] + "xx", result, bytes: response.body.byteLength };
    this.seen.push(one);
    return one;
  }

  /** A client that leaves once its request is on its way to the origin. */
  async leave(listener: string, target: string, isAsked: () => boolean): Promise<void> {
    this.connections++;
    using connection = await openRaw(this.#port);
    connection.send(`POST ${target} HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 0\r\n\r\n`);
    await eventually("the origin is asked", isAsked);
    this.seen.push({ listener, status: "499", result: "none", bytes: 0 });
  }

  count(by: (one: Seen) => string, listener?: string): Record<string, number> {
    const counted: Record<string, number> = {};
    for (const one of this.seen) {
      if (listener === undefined || one.listener === listener) counted[by(one)] = (counted[by(one)] ?? 0) + 1;
    }
    return counted;
  }

  bytes(listener: string): number {
    return this.seen.filter((one) => one.listener === listener).reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/** The cache's part, as `Cache-Status` tells a client (RFC 9211). */
function resultOf(cacheStatus: string | null): string {
  // Errors of the gateway itself have their code as the detail.
  if (cacheStatus === null || /fwd=miss; detail=/.test(cacheStatus)) return "none";
  if (/; hit/.test(cacheStatus)) {
    return /memory/.test(cacheStatus) ? "hit_memory" : /kv/.test(cacheStatus) ? "hit_disk" : "stale";
  }
  if (/; collapsed/.test(cacheStatus)) return "collapsed";
  if (/fwd=(?:bypass|method)/.test(cacheStatus)) return "bypass";
  return /fwd=stale; fwd-status=304/.test(cacheStatus) ? "revalidated" : "miss";
}

/** A request of each kind, often enough that no number is another's. */
async function askAll(load: LoadGenerator, { gateway, counts, release }: FullGateway): Promise<void> {
  const times = async (count: number, ask: (n: number) => Promise<unknown>) => {
    for (let n = 0; n < count; n++) await ask(n);
  };
  await times(10, (n) => load.ask("site", `/a/${n}`));
  await times(7, () => load.ask("site", "/a/0"));
  await times(4, () => load.ask("site", "/validate"));
  await times(3, () => load.ask("site", "/stale"));
  await times(5, (n) => load.ask("site", `/no/${n % 2}`));
  await times(3, () => load.ask("site", "/write", { method: "POST", body: "some content" }));
  await times(2, () => load.ask("site", "/a/0", { method: "HEAD" }));
  await times(2, () => load.ask("site", "/a/0", { fields: [["if-none-match", '"one"']] }));
  await times(2, (n) => load.ask("site", `/never/${n}`, { fields: [["cache-control", "only-if-cached"]] }));
  // Apart from each other, so that the upstream is not taken out.
  await times(2, async (n) => {
    await load.ask("site", `/broken/${n}`);
    await load.ask("site", `/no/${n}`);
  });
  await times(3, (n) => load.ask("site", `/flaky/${n}`));
  await times(4, () => load.ask("guarded", "/guarded/x", { fields: [["x-usher-token", TV_TOKEN]] }));
  await times(2, () => load.ask("guarded", "/guarded/x"));
  await times(3, () => load.ask("limited", "/limited/x"));
  await load.leave("site", "/left", () => counts.byTarget.get("/left") === 1);
  const first = load.ask("site", "/held");
  await eventually("the origin is asked", () => counts.byTarget.get("/held") === 1);
  const rest = Array.from({ length: 5 }, () => load.ask("site", "/held"));
  await eventually(
    "all of them wait",
    async () => (await Metrics.of(gateway)).sum("usher_requests_in_flight", { listener: "site" }) === 6,
  );
  release();
  await Promise.all([first, ...rest]);
  load.connections++;
  assert.equal((await rawRequest(gateway.port, "GET / HTTP/1.1\r\nHost : a\r\n\r\n")).status, 400);
}

/** What the origin and the clients of one pool and its listeners have counted is what the gateway has. */
function compare(metrics: Metrics, load: LoadGenerator, { origin, counts }: FullGateway): void {
  for (const listener of ["site", "guarded", "limited"]) {
    const labels = { listener };
    const results = load.count(({ result }) => result, listener);
    assert.deepEqual(
      metrics.by("status", "usher_requests_total", labels),
      load.count(({ status }) => status, listener),
    );
    assert.deepEqual(metrics.by("result", "usher_cache_results_total", labels), results, listener);
    assert.deepEqual(metrics.by("result", "usher_request_duration_seconds_count", labels), results);
    assert.deepEqual(metrics.by("result", "usher_request_duration_seconds_bucket", { ...labels, le: "+Inf" }), results);
    assert.equal(metrics.sum("usher_response_bytes_total", labels), load.bytes(listener), `bytes of ${listener}`);
    assert.equal(metrics.sum("usher_requests_in_flight", labels), 0);
  }
  assert.deepEqual(metrics.by("client", "usher_client_requests_total"), { tv: 4 });
  assert.deepEqual(metrics.by("result", "usher_auth_failures_total"), { refused: 2 });
  assert.equal(metrics.sum("usher_rate_limited_total"), 2);
  assert.equal(metrics.sum("usher_requests_refused_total", { reason: "malformed" }), 1);
  assert.equal(metrics.sum("usher_client_aborts_total"), 1);
  assert.equal(metrics.sum("usher_worker_requests_total"), load.seen.length);
  assert.equal(metrics.sum("usher_connections_accepted_total"), load.connections);
  const pool = { pool: "site" };
  const broken = 2 * 2 + 3;
  const answered = origin.heads.length - broken - 1;
  const outcomes = { ok: answered, unreachable: broken, cancelled: 1 };
  assert.deepEqual(metrics.by("outcome", "usher_upstream_tries_total", pool), outcomes);
  assert.equal(metrics.sum("usher_upstream_first_byte_seconds_count", pool), answered);
  assert.equal(metrics.sum("usher_upstream_duration_seconds_count", pool), answered + broken);
  assert.equal(metrics.sum("usher_retries_total", { ...pool, result: "made" }), 2 + 3);
  assert.equal(metrics.sum("usher_upstream_received_bytes_total", pool), counts.sentBytes);
}

/** Names and types of what is shown, and the labels of each, `le` left out. */
function families({ read: { samples, types, help } }: Metrics) {
  return [...types].map(([name, type]) => {
    const own = samples.filter((sample) =>
      sample.name.replace(type === "histogram" ? /_(?:bucket|sum|count)$/ : "", "") === name
    );
    const labels = new Set(own.flatMap((sample) => Object.keys(sample.labels)).filter((label) => label !== "le"));
    return { name, type, labels: [...labels], help: help.get(name)!, isShown: own.length > 0 };
  });
}

Deno.test("metrics agree with what the origin and the clients counted, outlive a worker, and are those of the page, the alerts and the dashboard", async (t) => {
  await using stack = new AsyncDisposableStack();
  const full = await startFullGateway(stack);
  const { gateway, origin } = full;
  await settle(gateway);
  const load = new LoadGenerator(gateway);

  await t.step("every number is the one that was counted outside", async () => {
    await askAll(load, full);
    await eventually("what goes on in the background has ended", async () => {
      const metrics = await Metrics.of(gateway);
      return metrics.sum("usher_upstream_tries_total", { pool: "site" }) === origin.heads.length &&
        metrics.sum("usher_requests_total") === load.seen.length &&
        metrics.sum("usher_client_aborts_total") === 1;
    });
    const kinds = ["hit_memory", "stale", "revalidated", "collapsed", "miss", "bypass", "none"];
    assert.deepEqual(Object.keys(load.count(({ result }) => result)).sort(), kinds.toSorted());
    compare(await Metrics.of(gateway), load, full);
    assert.deepEqual(origin.failures, []);
  });

  await t.step("no counter falls when a worker dies, and the next one counts on", async () => {
    await eventually(
      "what was stored is on disk",
      async () => (await Metrics.of(gateway)).sum("usher_cache_queued_writes") === 0,
    );
    const before = await Metrics.of(gateway);
    await (await fetch(`${gateway.adminUrl}/test/fault/0/throw`, { method: "POST" })).body?.cancel();
    await eventually("the worker is replaced", async () => {
      const [worker] = (await gateway.status()).workers;
      return worker!.restarts === 1 && worker!.state === "up";
    });
    compare(await Metrics.of(gateway), load, full);
    const [disk, memory] = [await load.ask("site", "/a/0"), await load.ask("site", "/a/0")];
    assert.deepEqual([disk.result, memory.result], ["hit_disk", "hit_memory"]);
    const after = await Metrics.of(gateway);
    compare(after, load, full);
    const grows = (name: string) =>
      before.read.types.get(name) === "counter" || /_(?:bucket|sum|count)$/.test(name) && !before.read.types.has(name);
    const fallen = before.read.samples.filter(({ name, labels, value }) =>
      grows(name) && after.sum(name, labels) < value
    );
    assert.deepEqual(fallen, []);
  });

  await t.step("promtool takes them, both formats say the same, and OpenMetrics has exemplars", async () => {
    await load.ask("site", "/a/0", { fields: [["traceparent", `00-${TRACE_ID}-00f067aa0ba902b7-01`]] });
    const metrics = await Metrics.of(gateway);
    if (hasPromtool) {
      const { code, output } = await promtool(["check", "metrics"], metrics.text);
      assert.equal(code, 0, output);
    }
    const response = await fetch(`${gateway.adminUrl}/metrics`, {
      headers: { accept: "application/openmetrics-text" },
    });
    const lines = (await response.text()).split("\n");
    assert.deepEqual(lines.slice(-2), ["# EOF", ""]);
    const names = (lines: readonly string[]) =>
      lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => line.slice(0, line.lastIndexOf(" ")));
    const bare = lines.map((line) => line.replace(/ # \{.*$/, ""));
    assert.deepEqual(names(bare), names(metrics.text.split("\n")));
    // Of all requests one alone was traced.
    const exemplars = lines.filter((line) => line.includes(" # {"));
    assert.ok(exemplars.some((line) => line.includes(`# {trace_id="${TRACE_ID}"} 0.`)), exemplars.join("\n"));
    assert.ok(exemplars.every((line) => line.startsWith('usher_request_duration_seconds_bucket{listener="site"')));
  });

  await t.step("docs/metrics.md lists every one, with its type, labels and meaning", async () => {
    const all = families(await Metrics.of(gateway));
    assert.deepEqual(all.filter(({ isShown }) => !isShown), []);
    const rows = all.map(({ name, type, labels, help }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`
    );
    // The table of old names has no types.
    const row = /^\| `(?:usher|process)_[^|]*\| (?:gauge|counter|histogram) /;
    const written = readText("docs/metrics.md").split("\n").filter((line) => row.test(line));
    const normal = (lines: readonly string[]) => lines.map((line) => line.replaceAll(/ +/g, " ")).toSorted();
    const [is, should] = [normal(written), normal(rows)];
    // What is missing here is to be pasted there.
    assert.deepEqual(should.filter((row) => !is.includes(row)), [], "docs/metrics.md has no such row");
    assert.deepEqual(is, should);
  });

  await t.step("alerts and dashboard ask for what there is", async () => {
    const all = families(await Metrics.of(gateway));
    for (const { place, expr } of deployedQueries()) {
      const asked = metricsIn(expr);
      const known = asked.map(({ name, labels }) => {
        const base = all.find((family) => family.name === name) ??
          all.find((family) => family.type === "histogram" && name === `${family.name}_bucket`);
        assert.ok(base !== undefined, `${place} asks for ${name}`);
        for (const label of labels) assert.ok([...base.labels, ...TARGET_LABELS].includes(label), `${place}: ${label}`);
        return base;
      });
      const labels = [...known.flatMap(({ labels }) => labels), ...TARGET_LABELS, "le"];
      for (const label of groupedBy(expr)) assert.ok(labels.includes(label), `${place} groups by ${label}`);
    }
  });
});

/** Labels that Prometheus gives. */
const TARGET_LABELS = ["instance", "job"];
