import { customPool } from "../system/test_config.ts";
import { rawByteRows } from "./a1_raw_bytes.ts";
import { MAX_BODY_BYTES, oddMessageRows } from "./a2_odd_messages.ts";
import { contentRows } from "./a3_get_with_content.ts";
import { answerRows } from "./a4_answers.ts";
import { upgradeRows } from "./a5_upgrade.ts";
import { proxyFieldRows } from "./a6_proxy_fields.ts";
import type { FieldSheet } from "./field_row.ts";

/** How long a client may be silent in the middle of its content. */
const BODY_TIMEOUT = "700ms";

/** A: a client's request never counts against an upstream. The listeners are told apart by host. */
export const clientRows: FieldSheet = {
  name: "A: what clients send",
  origins: 1,
  isHarmless: true,
  config: ([origin]) => ({
    server: { workers: 1, limits: { body_timeout: BODY_TIMEOUT } },
    logging: { access: "off" },
    pools: {
      any: customPool([origin!]),
      base: customPool([`${origin}/base`]),
      tmdb: { type: "tmdb-api", health: false, upstreams: [origin], key_mode: "pass" },
    },
    listeners: [
      { name: "any", host: ["any.test"], pool: "any", max_request_body: MAX_BODY_BYTES },
      { name: "let", host: ["let.test"], pool: "any", forward_fields: ["X-Forwarded-Scheme", "X-Method-Override"] },
      { name: "pre", host: ["pre.test"], prefix: "/pre", strip_prefix: true, pool: "base" },
      { name: "bare", host: ["bare.test"], prefix: "/pre", strip_prefix: true, pool: "any" },
      { name: "tmdb", host: ["tmdb.test"], prefix: "/3", pool: "tmdb" },
      { name: "nameless", prefix: "/nameless", pool: "any" },
    ],
  }),
  rows: [
    ...rawByteRows,
    ...oddMessageRows,
    ...contentRows,
    ...answerRows,
    ...upgradeRows,
    ...proxyFieldRows,
  ],
};
