import assert from "node:assert/strict";
import {
  addChange,
  type Change,
  CHUNKS_AT_ONCE,
  type Encoded,
  groupsOf,
  isLarge,
} from "../../../lib/cache/disk/_kv_change.ts";
import { CHUNK_BYTES, encodeResponse, readHeader } from "../../../lib/cache/disk/_kv_record.ts";
import { hashOfKey, newId, SumChanges } from "../../../lib/cache/disk/_kv_rows.ts";
import { openKvForTest, rowCounts } from "./opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";

function encoded(key: string, bodyLength: number): Encoded {
  const options = { id: newId(1e12), bucket: 5, deadAtMs: 2e12 };
  const parts = encodeResponse(sampleResponse(key, { bodyLength }), options)!;
  return { ...parts, header: readHeader(parts.record)!, costBytes: 1000, transit: null };
}

function put(key: string, bodyLength: number, changes: Partial<Change> = {}): Change {
  const response = sampleResponse(key, { bodyLength });
  return {
    op: { kind: "put", key, bytes: 1, response },
    listener: "a",
    hash: hashOfKey(key),
    versionstamp: null,
    record: null,
    current: null,
    currentCostBytes: 0,
    encoded: encoded(key, bodyLength),
    ...changes,
  };
}

Deno.test("groupsOf() makes groups that Deno KV takes, in the order they came", async () => {
  await using opened = await openKvForTest();
  const lengths = [600_000, 100_000, 100_000, 600_000, ...Array(60).fill(15_000), 690_000, 10];
  const changes = lengths.map((length, n) => put(`a\0\0/${n}`, length));
  const groups = groupsOf(changes);
  assert.deepEqual(groups.flat(), changes);
  assert.ok(groups.length > 3);
  for (const group of groups) {
    const atomic = opened.kv.atomic();
    for (const change of group) addChange(change, { atomic, sums: new SumChanges(), bucket: 5 });
    assert.ok((await atomic.commit()).ok);
  }
  assert.equal((await rowCounts(opened.kv)).r, lengths.length);
});

Deno.test("groupsOf() counts the records that touches write anew", () => {
  const touches = Array.from({ length: 40 }, (_, n) => {
    const change = put(`a\0\0/${n}`, 15_000);
    return {
      ...change,
      op: { kind: "touch", key: "", bytes: 1 },
      record: new Uint8Array(60_000),
      encoded: null,
    } as Change;
  });
  assert.ok(groupsOf(touches).every((group) => group.length <= 12));
});

Deno.test("isLarge() is what does not fit into one commit with its record", () => {
  assert.ok(!isLarge(put("a\0\0/", CHUNKS_AT_ONCE * CHUNK_BYTES)));
  assert.ok(isLarge(put("a\0\0/", CHUNKS_AT_ONCE * CHUNK_BYTES + 1)));
});

Deno.test("addChange() does not touch backwards, should the clock be put back", async () => {
  await using opened = await openKvForTest();
  const first = put("a\0\0/", 10);
  const commit = async (change: Change, bucket: number) => {
    const atomic = opened.kv.atomic();
    addChange(change, { atomic, sums: new SumChanges(), bucket });
    return await atomic.commit();
  };
  const { versionstamp } = await commit(first, 5) as Deno.KvCommitResult;
  const { record, header } = first.encoded!;
  const touch: Change = {
    ...first,
    op: { kind: "touch", key: "", bytes: 1 },
    encoded: null,
    versionstamp,
    record,
    current: header,
  };
  for (const bucket of [4, 5]) assert.ok((await commit(touch, bucket)).ok);
  assert.equal((await rowCounts(opened.kv)).x, 1);
});
