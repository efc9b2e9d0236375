import { seededRandom } from "../seeded_random.ts";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { newPurge, type PurgeTable } from "../../lib/cache/purge/purge_table.ts";
import type { Found, Store } from "../../lib/cache/store.ts";
import { type StoredParts, type StoredResponse, storedResponse } from "../../lib/cache/stored_response.ts";

/** A store opened for a test. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: Store;
  /** The rules that the store's look-ups are held against. */
  readonly purges: PurgeTable;
  /** Waits until what was put can be read from the lowest tier, and forgets what higher tiers hold, where there are any. */
  settle(): Promise<void>;
  /** Bytes really held, counted from the entries themselves. */
  heldBytes(): Promise<number>;
  /** Fails where the store's own books disagree with what it holds. */
  audit(): Promise<void>;
}

/** How a store is opened for a test. */
export interface StoreUnderTest {
  readonly name: string;
  /** Opens an empty store with this limit in its lowest tier. */
  open(limitBytes: number): Promise<OpenedStore>;
}

const MIB = 1024 * 1024;
const NOW_MS = 1_000_000_000_000;

/** A response for tests: its body is filled from its key and `version`, so that a mixed or foreign body shows. */
export function sampleResponse(
  key: string,
  options: { readonly bodyLength?: number; readonly version?: number } & Partial<StoredParts> = {},
): StoredResponse {
  const { bodyLength = 1000, version = 1, ...rest } = options;
  return storedResponse({
    key,
    status: 200,
    fields: [["content-type", "application/json"], ["etag", `"${version}"`], ["x-repeated", "a"], ["x-repeated", "ü"]],
    body: sampleBody(key, version, bodyLength),
    requestTimeMs: NOW_MS,
    responseTimeMs: NOW_MS + 10,
    freshness: {
      initialAgeMs: 5,
      lifetimeMs: 365 * 24 * 3_600_000,
      staleWhileRevalidateMs: 1000,
      staleIfErrorMs: 2000,
      mustRevalidate: false,
      alwaysValidate: true,
    },
    selectedBy: [["accept-language", "de"], ["accept", null]],
    tags: ["movie:550"],
    tiers: { memory: true, disk: true },
    ...rest,
  });
}

/** The body that `sampleResponse` makes: a sequence that starts differently for each key and version. */
export function sampleBody(key: string, version: number, length: number): Uint8Array<ArrayBuffer> {
  let state = 2166136261;
  for (let at = 0; at < key.length; at++) state = Math.imul(state ^ key.charCodeAt(at), 16777619);
  state = Math.imul(state ^ version, 16777619) >>> 0;
  const body = new Uint8Array(length);
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    body[at] = state >>> 24;
  }
  return body;
}

/** Fails unless the two are one response; says where they differ without printing bodies. */
export function assertSameResponse(actual: StoredResponse | undefined, expected: StoredResponse): void {
  assert.ok(actual !== undefined, `nothing found for a key of ${expected.key.length} characters`);
  assert.deepEqual(factsOf(actual), factsOf(expected));
  assert.deepEqual(actual.head, expected.head);
  assert.ok(Buffer.from(actual.body).equals(expected.body), "the body is another one");
}

/** All of a response but its bytes. */
function factsOf(response: StoredResponse): Record<string, unknown> {
  return { ...response, memory: null, apart: null };
}

/** Fails where anything is found. */
export function assertNothing(found: unknown): void {
  assert.ok(found === undefined, "a response was found where none may be");
}

/** What every store must do, whatever it is made of. */
export function storeSuite(under: StoreUnderTest): void {
  const test = (criterion: string, body: (opened: OpenedStore) => Promise<void>, limitBytes = 32 * MIB) =>
    Deno.test(`${under.name} ${criterion}`, async () => {
      await using opened = await under.open(limitBytes);
      await body(opened);
    });

  test("answers nothing for a key that it does not hold", async ({ store }) => {
    assertNothing(await store.get("api\0\0/none"));
  });

  for (const bodyLength of [0, 1, 1000, 16_000, 16_001, 59_250, 59_251, 100_000, 1_000_000]) {
    test(`gives back a response with a body of ${bodyLength} bytes as it was put`, async (opened) => {
      const response = sampleResponse("api\0\0/3/movie/550", { bodyLength });
      opened.store.put(response);
      assertSameResponse((await opened.store.get(response.key))?.response, response);
      await opened.settle();
      assertSameResponse((await opened.store.get(response.key))?.response, response);
    });
  }

  test("stores what a body's view shows, not the buffer behind it", async (opened) => {
    const buffer = new Uint8Array(200_000).fill(7);
    buffer.fill(1, 50_000, 150_000);
    const response = sampleResponse("api\0\0/view", { body: buffer.subarray(50_000, 150_000) });
    opened.store.put(response);
    await opened.settle();
    const found = await opened.store.get(response.key);
    assert.equal(found?.response.body.byteLength, 100_000);
    assert.ok(found.response.body.every((byte) => byte === 1));
  });

  test("holds the last of several responses put under one key", async (opened) => {
    for (const [version, bodyLength] of [[1, 100_000], [2, 10], [3, 200_000], [4, 20_000]] as const) {
      opened.store.put(sampleResponse("api\0\0/x", { version, bodyLength }));
      if (version === 2) await opened.settle();
    }
    await opened.settle();
    const found = await opened.store.get("api\0\0/x");
    assertSameResponse(found?.response, sampleResponse("api\0\0/x", { version: 4, bodyLength: 20_000 }));
  });

  test("keeps keys apart that differ in a character, a case or their length", async (opened) => {
    const long = "x".repeat(16_000);
    const keys = [
      "api\0\0/a",
      "api\0\0/A",
      "api\0\0/a/",
      "api2\0\0/a",
      `api\0\0/${long}`,
      `api\0\0/${long}y`,
      "api\0\0/ü",
    ];
    for (const key of keys) opened.store.put(sampleResponse(key));
    await opened.settle();
    for (const key of keys) assertSameResponse((await opened.store.get(key))?.response, sampleResponse(key));
  });

  test("answers nothing after a delete, at once and later", async (opened) => {
    for (const bodyLength of [10, 100_000]) opened.store.put(sampleResponse(`api\0\0/${bodyLength}`, { bodyLength }));
    await opened.settle();
    for (const bodyLength of [10, 100_000]) opened.store.delete(`api\0\0/${bodyLength}`);
    assertNothing(await opened.store.get("api\0\0/10"));
    await opened.settle();
    assertNothing(await opened.store.get("api\0\0/10"));
    assertNothing(await opened.store.get("api\0\0/100000"));
    assert.equal(await opened.heldBytes(), 0);
  });

  test("does not bring back by a look-up under way what a delete removed", async (opened) => {
    const key = "api\0\0/raced";
    opened.store.put(sampleResponse(key));
    await opened.settle();
    const lookUp = opened.store.get(key);
    opened.store.delete(key);
    await lookUp;
    await opened.settle();
    assertNothing(await opened.store.get(key));
  });

  test("answers the newer response where a put meets a look-up under way", async (opened) => {
    const key = "api\0\0/raced";
    opened.store.put(sampleResponse(key));
    await opened.settle();
    const lookUp = opened.store.get(key);
    opened.store.put(sampleResponse(key, { version: 2 }));
    await lookUp;
    assertSameResponse((await opened.store.get(key))?.response, sampleResponse(key, { version: 2 }));
    await opened.settle();
    assertSameResponse((await opened.store.get(key))?.response, sampleResponse(key, { version: 2 }));
  });

  test("stays within its limit and keeps what was put last", async (opened) => {
    for (let n = 0; n < 300; n++) {
      opened.store.put(sampleResponse(`api\0\0/${n}`, { bodyLength: 40_000 }));
      if (n % 20 === 19) await opened.settle();
      assert.ok(await opened.heldBytes() <= 4 * MIB, `over the limit after ${n}`);
    }
    assert.ok(await opened.heldBytes() > 3 * MIB, "held far less than its limit");
    let found = 0;
    for (let n = 0; n < 300; n++) if (await opened.store.get(`api\0\0/${n}`)) found++;
    assert.ok(found <= 4 * MIB / 40_000, `${found} are found`);
    assert.ok(await opened.store.get("api\0\0/299"));
  }, 4 * MIB);

  test("does not keep what takes too large a part of its limit", async (opened) => {
    opened.store.put(sampleResponse("api\0\0/small"));
    opened.store.put(sampleResponse("api\0\0/large", { bodyLength: 3 * MIB }));
    await opened.settle();
    assertNothing(await opened.store.get("api\0\0/large"));
    assert.ok(await opened.store.get("api\0\0/small"));
  }, 4 * MIB);

  test("answers as stale what a soft purge names, and nothing that a hard one does", async (opened) => {
    for (const path of ["/soft", "/hard", "/other"]) {
      opened.store.put(sampleResponse(`api\0\0${path}`, { bodyLength: 20_000 }));
    }
    const purge = (target: string, soft: boolean) =>
      opened.purges.add(newPurge({ kind: "url", listener: "api", target }, { soft, nowMs: NOW_MS + 1000 }));
    purge("/soft", true);
    purge("/hard", false);
    for (let time = 0; time < 2; time++) {
      assert.equal((await opened.store.get("api\0\0/soft"))?.response.freshness.lifetimeMs, 995);
      assertNothing(await opened.store.get("api\0\0/hard"));
      assertSameResponse(
        (await opened.store.get("api\0\0/other"))?.response,
        sampleResponse("api\0\0/other", { bodyLength: 20_000 }),
      );
      await opened.settle();
    }
  });

  for (const seed of [1, 2, 3]) {
    test(`keeps its promises over a random schedule, seed ${seed}`, (opened) => randomSchedule(opened, seed), 3 * MIB);
  }
}

/** What a random schedule knows of a key: the response put last, and whether it was purged since. */
interface Known {
  readonly response: StoredResponse | null;
  readonly purge: "none" | "soft" | "hard";
}

/**
 * Puts, gets, deletes and purges at random; checks that nothing is torn, foreign, purged, older than its key's last change, or over
 * the limit.
 */
async function randomSchedule(opened: OpenedStore, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const last = new Map<string, Known>();
  const lengths = [0, 500, 15_000, 17_000, 60_000, 150_000, 900_000];
  for (let step = 0; step < 600; step++) {
    const [listener, path] = [`listener${Math.floor(random() * 3)}`, `/${Math.floor(random() * 60)}`];
    const key = `${listener}\0\0${path}`;
    const dice = random();
    if (dice < 0.45) {
      const bodyLength = lengths[Math.floor(random() * (dice < 0.02 ? lengths.length : lengths.length - 1))]!;
      const response = sampleResponse(key, { version: step, bodyLength, requestTimeMs: NOW_MS + step });
      opened.store.put(response);
      last.set(key, { response, purge: "none" });
    } else if (dice < 0.53) {
      opened.store.delete(key);
      last.set(key, { response: null, purge: "none" });
    } else if (dice < 0.56) {
      const soft = dice < 0.545;
      const all = dice < 0.532;
      const scope = all ? { kind: "all", listener } as const : { kind: "url", listener, target: path } as const;
      opened.purges.add(newPurge(scope, { soft, nowMs: NOW_MS + step }));
      for (const [held, known] of last) {
        if (!held.startsWith(`${listener}\0`) || (!all && held !== key)) continue;
        last.set(held, { ...known, purge: soft && known.purge !== "hard" ? "soft" : "hard" });
      }
    } else {
      assertCurrent(await opened.store.get(key), last.get(key));
    }
    if (step % 25 === 24) {
      await opened.settle();
      assert.ok(await opened.heldBytes() <= 3 * MIB, `over the limit at step ${step}`);
    }
  }
  await opened.settle();
  await opened.audit();
  for (const [key, known] of last) assertCurrent(await opened.store.get(key), known);
  for (const key of last.keys()) opened.store.delete(key);
  await opened.settle();
  assert.equal(await opened.heldBytes(), 0, "bytes are left after everything was deleted");
}

function assertCurrent(found: Found | undefined, known: Known | undefined): void {
  if (found === undefined) return;
  assert.ok(known !== undefined && known.response !== null, "a deleted response was found");
  assert.ok(known.purge !== "hard", "a purged response was found");
  const { freshness } = found.response;
  assert.equal(freshness.lifetimeMs < known.response.freshness.lifetimeMs, known.purge === "soft", "staleness");
  assert.equal(found.response.isPurged, known.purge === "soft");
  const { freshness: before } = known.response;
  assertSameResponse(found.response.with({ freshness: before, isPurged: false }), known.response);
}
