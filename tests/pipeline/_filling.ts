import assert from "node:assert/strict";
import { demoApiKey, startTmdbOrigin, type TmdbOrigin } from "../origins/tmdb_origin.ts";
import { type GatewayParts, type InProcessGateway, withGateway } from "./in_process_gateway.ts";

/** Runs a test with a listener that fills documents, over an origin whose titles have holes. */
export async function withFilling(
  run: (gateway: InProcessGateway, origin: TmdbOrigin) => Promise<void>,
  { listener = {}, pool = {}, languages = ["zh-TW", "en-US"], parts = {} }: Options = {},
): Promise<void> {
  const origin = await startTmdbOrigin({ maxAgeSeconds: 3_600 });
  try {
    await withGateway({
      pools: { p: { type: "tmdb-api", health: false, upstreams: [origin.url], api_keys: [demoApiKey], ...pool } },
      listeners: [{ name: "l", pool: "p", fill_language: languages, fill_wait: "1m", ...listener }],
      ...parts,
    }, (gateway) => run(gateway, origin));
  } finally {
    await origin.close();
  }
}

/** What a test changes in its configuration. */
export interface Options {
  readonly listener?: Record<string, unknown>;
  readonly pool?: Record<string, unknown>;
  readonly languages?: readonly string[];
  readonly parts?: Partial<GatewayParts>;
}

/** What the origin itself answers. */
export async function direct(origin: TmdbOrigin, target: string): Promise<string> {
  const response = await fetch(`${origin.url}${target}${target.includes("?") ? "&" : "?"}api_key=${demoApiKey}`);
  assert.equal(response.status, 200, target);
  const text = await response.text();
  origin.requests.pop();
  return text;
}

/** The targets that were asked for, without the key. */
export function asked(origin: TmdbOrigin): string[] {
  return origin.requests.map(({ target }) => target.replace(/[?&]api_key=[^&]*/, "").replace(/^([^?]*)&/, "$1?"));
}
