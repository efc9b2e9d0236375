import { fieldValue } from "../../lib/http/fields.ts";
import { type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { type RunningGateway, startGateway } from "./_gateway.ts";
import { rawRequest, requestText, textOf } from "./_raw_client.ts";
import { customPool, type TestConfig, testConfig } from "./test_config.ts";

/** An origin whose responses tell their target and a version that a test raises; it takes part in validation. */
export interface VersionedOrigin extends ScriptedOrigin {
  /** Of all responses that it makes from now on. */
  version: number;
  /** Milliseconds before each response. */
  latencyMs: number;
  /** 503 for everything. */
  isBroken: boolean;
  /** What it answers `Cache-Control` with. */
  control: string;
}

/** Starts one. `/tagged…` comes with tags, `/vary…` varies by `Accept-Language`. */
export async function startVersionedOrigin(): Promise<VersionedOrigin> {
  const state = { version: 1, latencyMs: 0, isBroken: false, control: "max-age=600" };
  const origin = await startScriptedOrigin(async (exchange) => {
    const { target, fields, method } = exchange.head;
    const { version, control } = state;
    const language = fieldValue(fields, "accept-language") ?? "";
    if (state.latencyMs > 0) await exchange.wait(state.latencyMs);
    if (state.isBroken) return await exchange.reply({ status: 503 });
    if (method === "POST") return await exchange.reply({ fields: [["cache-control", "no-store"]], body: "done" });
    const etag = `"v${version}"`;
    const more: [string, string][] = [["cache-control", control], ["etag", etag]];
    if (target.startsWith("/tagged")) more.push(["surrogate-key", `all page${target}`]);
    if (target.startsWith("/vary")) more.push(["vary", "accept-language"]);
    if (fieldValue(fields, "if-none-match") === etag) return await exchange.reply({ status: 304, fields: more });
    const body = `${target}${target.startsWith("/vary") ? ` ${language}` : ""} v${version}`;
    await exchange.reply({ fields: more, body });
  });
  return new Proxy(origin as VersionedOrigin, {
    get: (target, name) => Reflect.get(name in state ? state : target, name),
    set: (_, name, value) => Reflect.set(state, name, value),
  });
}

/** A gateway of three workers in front of a versioned origin. */
export async function startVersioned(
  stack: AsyncDisposableStack,
  more: Partial<TestConfig> = {},
): Promise<{ origin: VersionedOrigin; gateway: RunningGateway }> {
  const origin = stack.adopt(await startVersionedOrigin(), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({ config: (places) => versionedConfig(origin, places, more) }),
    (running) => running.close(),
  );
  return { origin, gateway };
}

/** The configuration of {@linkcode startVersioned}. */
export function versionedConfig(
  origin: VersionedOrigin,
  places: Parameters<typeof testConfig>[0],
  more: Partial<TestConfig> = {},
): string {
  return testConfig(places, {
    pools: { any: customPool([origin.url], { retry: { attempts: 1 } }) },
    listeners: [{ name: "any", prefix: "/", pool: "any", cache: { client_cache_control: "obey" } }, {
      name: "stripped",
      prefix: "/s",
      strip_prefix: true,
      pool: "any",
    }],
    ...more,
    server: { workers: 3, ...more.server },
  });
}

/** One response over a connection of its own, so that any of the workers may serve it. */
export async function ask(
  gateway: RunningGateway,
  target: string,
  options: { readonly method?: string; readonly fields?: readonly (readonly [string, string])[] } = {},
): Promise<{ readonly status: number; readonly text: string; readonly cacheStatus: string }> {
  const { method = "GET", fields = [] } = options;
  const length: [string, string][] = method === "POST" ? [["content-length", "0"]] : [];
  const request = requestText(`${method} ${target}`, [
    ...length,
    ...fields.map(([name, value]): [string, string] => [name, value]),
  ]);
  const response = await rawRequest(gateway.port, request);
  return { status: response.status, text: textOf(response.body), cacheStatus: response.field("cache-status") ?? "" };
}

/** Asks often enough that every worker has the response in its memory. */
export async function warm(gateway: RunningGateway, target: string): Promise<void> {
  for (let n = 0; n < 24; n++) await ask(gateway, target);
}

/** Posts JSON to the admin surface. */
export async function postAdmin(
  gateway: RunningGateway,
  path: string,
  body: unknown,
): Promise<{ readonly status: number; readonly value: Record<string, unknown> }> {
  const response = await fetch(`${gateway.adminUrl}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, value: await response.json() };
}
