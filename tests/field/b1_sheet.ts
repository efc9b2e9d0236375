import { customPool, PATIENT } from "../system/test_config.ts";
import { verifiedBodyRows } from "./b1_verified_bodies.ts";
import { fillRows } from "./b2_fills.ts";
import { firstAnswerRows } from "./b7_first_answers.ts";
import type { FieldSheet } from "./field_row.ts";

/** Pools of two upstreams. */
const PAIRS = ["empty", "blank", "short"];

/** B: what may be stored, as far as it is about bodies. The listeners are told apart by host. */
export const bodyRows: FieldSheet = {
  name: "B: what may be stored, bodies",
  origins: 2,
  config: ([first, second]) => {
    const tmdb = { health: false, key_mode: "pass", timeouts: PATIENT, strategy: "round-robin" };
    return {
      server: { workers: 1 },
      logging: { access: "off" },
      cache: { max_entry: "500KiB", fill_memory: "2MiB", collapse_timeout: "1m" },
      pools: {
        any: customPool([first!]),
        tmdb: { ...tmdb, type: "tmdb-api", upstreams: [first] },
        // One for a row: bad answers count, and an upstream that is out is asked no more.
        ...Object.fromEntries(PAIRS.map((name) => [name, { ...tmdb, type: "tmdb-api", upstreams: [first, second] }])),
        pictures: { ...tmdb, type: "tmdb-image", upstreams: [first, second] },
      },
      listeners: [
        { name: "any", host: ["any.test"], pool: "any" },
        { name: "tmdb", host: ["tmdb.test"], prefix: "/3", pool: "tmdb" },
        ...PAIRS.map((name) => ({ name, host: [`${name}.test`], prefix: "/3", pool: name })),
        { name: "pictures", host: ["pictures.test"], prefix: "/t/p", pool: "pictures" },
      ],
    };
  },
  rows: [...verifiedBodyRows, ...fillRows, ...firstAnswerRows],
};
