import assert from "node:assert/strict";

/** Whether every row of the tier belongs to an entry, and the sums are what the entries' use rows say. */
export async function auditRows(kv: Deno.Kv): Promise<void> {
  const sums = new Map<string, number>();
  const chunksOf = new Map<string, number>();
  const records = new Map<string, string>();
  const uses: { hash: string; id: string; listener: string; costBytes: number; chunks: number; stamp: string }[] = [];
  for await (const { key, value, versionstamp } of kv.list<Uint8Array<ArrayBuffer> | Deno.KvU64>({ prefix: [] })) {
    if (key[0] === "r") records.set(hex(key[1]), versionstamp);
    if (key[0] === "b") chunksOf.set(hex(key[1]), (chunksOf.get(hex(key[1])) ?? 0) + 1);
    if (key[0] === "w") assert.fail("a note of chunks in transit is left");
    if (key[0] === "l" || key[0] === "n") sums.set(key.join("/"), Number((value as Deno.KvU64).value ?? value));
    if (key[0] !== "x") continue;
    const view = new DataView((value as Uint8Array<ArrayBuffer>).buffer);
    const bodyLength = view.getUint32(40);
    uses.push({
      hash: hex((value as Uint8Array).subarray(0, 16)),
      id: hex(key[3]),
      listener: String(key[1]),
      costBytes: view.getFloat64(16),
      chunks: bodyLength <= 16_000 ? 0 : Math.ceil(bodyLength / 59_250),
      stamp: versionstamp,
    });
  }
  assert.equal(records.size, uses.length, "records and uses are not as many");
  for (const { hash, id, chunks, stamp } of uses) {
    assert.equal(records.get(hash), stamp, "a use has no record written with it");
    assert.equal(chunksOf.get(id) ?? 0, chunks, "chunks are missing");
    chunksOf.delete(id);
  }
  assert.equal(chunksOf.size, 0, "chunks belong to no entry");
  const listeners = new Map<string, number>();
  for (const { listener, costBytes } of uses) listeners.set(listener, (listeners.get(listener) ?? 0) + costBytes);
  for (const [listener, bytes] of listeners) assert.equal(sums.get(`l/${listener}`), bytes, `sum of ${listener}`);
  assert.equal(sums.get("n/bytes") ?? 0, uses.reduce((sum, use) => sum + use.costBytes, 0), "sum of bytes");
  assert.equal(sums.get("n/entries") ?? 0, uses.length, "sum of entries");
}

function hex(part: unknown): string {
  return (part as Uint8Array).toHex();
}
