import assert from "node:assert/strict";
import type { LookupView, StoredView } from "../../../lib/inspect/lookup.ts";
import { lookupReport } from "../../../routes/commands/lookup.ts";
import { painter } from "../../../routes/commands/text_layout.ts";

const STORED: StoredView = {
  tier: "memory",
  worker: "serving-0",
  kind: "response",
  selected: true,
  verdict: "hit",
  status: 200,
  content_type: "text/\x1b[31mplain",
  bytes: 2_048,
  stored_at: "2026-11-23T14:30:34.348Z",
  age_seconds: 90,
  lifetime_seconds: 3_600,
  fresh: true,
  stale_while_revalidate_seconds: 60,
  stale_if_error_seconds: 0,
  stale_usable_seconds: 60,
  purged: false,
  variants: ["accept-language: de"],
  tags: ["movie:550"],
  hits: 7,
  etag: '"1"',
  last_modified: null,
};

const VIEW: LookupView = {
  listener: "api",
  address: "127.0.0.1:6635",
  pool: "api",
  key: "api | (any host) | /3/movie/550",
  varies_by: ["accept-language"],
  workers: 2,
  stored: [STORED, { ...STORED, selected: false, verdict: null, fresh: false, variants: ["accept-language: fr"] }],
  elsewhere: [{ listener: "copy", address: "127.0.0.1:6634" }],
  explain: {
    request: { method: "GET", authority: null, target: "/3/movie/550" },
    note: null,
    listeners: [],
    nearest: "The only prefix is /3",
    refused: null,
    served: [],
  },
};

const report = (over: Partial<LookupView> = {}) => lookupReport({ ...VIEW, ...over }, painter(false));

Deno.test("lookupReport() tells what the request selects, then what lies beside it, without anything that moves a cursor", () => {
  assert.equal(
    report(),
    `GET /3/movie/550
  listener   api at 127.0.0.1:6635
  key        api | (any host) | /3/movie/550
  varies by  accept-language: give them with -H
  also       copy at 127.0.0.1:6634: give a whole URL for that

Stored
  tier    worker     now    status  size  age  lifetime  stale use left  hits
  memory  serving-0  fresh  200     2KiB  90s  1h        1m              7     accept-language: de
  verdict     hit, for this request
  type        text/?[31mplain
  stored      2026-11-23T14:30:34.348Z
  validators  "1"
  tags        movie:550

Beside it
  tier    worker     now    status  size  age  lifetime  stale use left  hits
  memory  serving-0  stale  200     2KiB  90s  1h        1m              7     accept-language: fr`,
  );
});

Deno.test("lookupReport() says that nothing is stored, that the listener stores nothing, or that none takes it", () => {
  assert.match(report({ stored: [] }), /Nothing is stored for these fields, in 2 workers and on the disk$/);
  assert.match(
    report({ stored: [], varies_by: [], workers: 1 }),
    /Nothing is stored for it, in 1 worker and on the disk$/,
  );
  assert.match(report({ stored: [], key: null }), /key {8}none: the listener stores nothing/);
  assert.equal(report({ listener: null }), "No listener takes it. The only prefix is /3");
  const refused = { status: 400, code: "bad_request", message: "The path has a dot segment", hint: null };
  const explain = { ...VIEW.explain, refused };
  assert.equal(
    report({ listener: null, explain }),
    "The gateway refuses it: 400 bad_request: The path has a dot segment",
  );
});
