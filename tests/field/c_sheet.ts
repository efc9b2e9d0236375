import { customPool } from "../system/test_config.ts";
import { failingPools, retryRows } from "./c1_retries.ts";
import { fieldKeys, keyRateRows } from "./c2_key_rates.ts";
import { limitRows } from "./c3_limits_and_refusals.ts";
import type { FieldSheet } from "./field_row.ts";

/** C: pools. What rows do to a pool's upstreams and keys stays there: most have one of their own, on a host of its name. */
export const poolRows: FieldSheet = {
  name: "C: pools",
  origins: 3,
  config(origins) {
    const [first, second] = origins as [string, string];
    const tmdb = { type: "tmdb-api", health: false, upstreams: [first], api_keys: fieldKeys(1) };
    const pools: Record<string, Record<string, unknown>> = {
      ...Object.fromEntries(
        failingPools.map((name) => [name, { ...customPool(origins), content_types: { deny: ["text/html"] } }]),
      ),
      "c1-half": customPool([first, second]),
      "c1-half-reset": customPool([first, second]),
      "c2-two": { ...tmdb, api_keys: fieldKeys(2) },
      "c2-three": { ...tmdb, api_keys: fieldKeys(3) },
      "c2-five": { ...tmdb, api_keys: fieldKeys(5) },
      "c2-users": { ...tmdb, api_keys: fieldKeys(2) },
      "c2-apart": { ...tmdb, api_keys: fieldKeys(5), key_limits: { per: "key" } },
      "c3-pass": { ...tmdb, key_mode: "pass", timeouts: { total: "500ms" } },
      "c3-images": { type: "tmdb-image", health: false, upstreams: [first], timeouts: { total: "500ms" } },
      "c3-keyed": { ...tmdb, key_limits: false, timeouts: { first_byte: "300ms", total: "500ms" } },
      "c3-mirrors": { ...tmdb, upstreams: [first, second] },
      "c3-plain": { ...tmdb, upstreams: [first, second] },
      "c3-dead": { ...tmdb, upstreams: ["http://127.0.0.1:1"] },
    };
    return {
      server: { workers: 1 },
      logging: { access: "off" },
      pools,
      listeners: Object.keys(pools).map((name) => ({ name, host: [`${name}.test`], prefix: "/", pool: name })),
    };
  },
  rows: [...retryRows, ...keyRateRows, ...limitRows],
};
