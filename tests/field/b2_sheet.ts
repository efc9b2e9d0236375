import { customPool } from "../system/test_config.ts";
import { variantRows } from "./b3_variants.ts";
import { purgeRows } from "./b4_purge.ts";
import { writeRows } from "./b5_writes.ts";
import { sharedStaleRows } from "./b6_shared_stale.ts";
import type { FieldSheet } from "./field_row.ts";

/** B: which copies there are; on several workers, for they share what they hold. */
export const copyRows: FieldSheet = {
  name: "B: what may be stored, variants",
  origins: 1,
  config: ([origin]) => ({
    server: { workers: 2 },
    logging: { access: "off" },
    pools: { any: customPool([origin!]) },
    listeners: [{ name: "any", host: ["any.test"], pool: "any" }],
  }),
  rows: variantRows,
};

/** B: what is purged, written by users, and served stale. */
export const staleRows: FieldSheet = {
  name: "B: what may be stored, purges and stale copies",
  origins: 1,
  config: ([origin]) => ({
    server: { workers: 1 },
    logging: { access: "off" },
    cache: { shared_stale: true },
    pools: {
      any: customPool([origin!]),
      tmdb: { type: "tmdb-api", health: false, upstreams: [origin], key_mode: "pass" },
    },
    listeners: [
      { name: "any", host: ["any.test"], pool: "any", cache: { shared_stale: false } },
      { name: "stale", host: ["stale.test", "whole.test"], pool: "any" },
      { name: "v3", host: ["tmdb.test"], prefix: "/3", pool: "tmdb" },
      { name: "v4", host: ["tmdb.test"], prefix: "/4", pool: "tmdb" },
    ],
  }),
  rows: [...purgeRows, ...writeRows, ...sharedStaleRows],
};
