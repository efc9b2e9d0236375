import assert from "node:assert/strict";
import { varyMarker } from "../../lib/cache/variants.ts";
import type { StoredResponse } from "../../lib/cache/stored_response.ts";
import { EntrySeal, partsOf, piecesAtMost, type SealedEntry } from "../../lib/cluster/entry_seal.ts";
import { sample } from "../cache/stored_sample.ts";
import { assertSameResponse } from "../cache/store_suite.ts";
import { seededRandom } from "../seeded_random.ts";

const SECRET = "a secret of the tests";
const KEY = "api\0\0/3/movie/550";
const NAME = { key: KEY, hash: "0123456789abcdef".repeat(2) };
const TIMES = { nowMs: 2_000, deadAtMs: 100_000 };
const RICH = { tags: ["movie:550", "é"], selectedBy: [["accept", "x"], ["dnt", null]], originTag: 'W/"1"' } as const;

async function sealed(response: StoredResponse, seal = new EntrySeal(SECRET, false)): Promise<SealedEntry> {
  const entry = await seal.seal(response, NAME, TIMES);
  assert.ok(entry !== null);
  return entry;
}

const piecesOf = ({ value, parts }: SealedEntry) => [value, ...parts];

for (const encrypts of [false, true]) {
  const kind = encrypts ? "encrypted" : "plain";
  for (const [bodyBytes, parts] of [[0, 0], [1, 0], [100_000, 0], [262_144, 1], [1_048_576, 4]] as const) {
    Deno.test(`open() gives back a ${kind} response with a body of ${bodyBytes} bytes`, async () => {
      const seal = new EntrySeal(SECRET, encrypts);
      const response = sample(KEY, bodyBytes, { ...RICH, purgePosition: 7 });
      const entry = await sealed(response, seal);
      assert.equal(entry.parts.length, parts);
      assert.ok(piecesOf(entry).every(({ byteLength }) => byteLength <= 262_144));
      assert.ok(piecesOf(entry).length <= piecesAtMost(bodyBytes));
      assert.deepEqual(partsOf(entry.value), { id: entry.id, count: entry.parts.length });
      const opened = await seal.open(piecesOf(entry), NAME, 3_000);
      assert.equal(opened.kind, "found");
      assertSameResponse(opened.kind === "found" ? opened.response : undefined, response);
    });
  }

  Deno.test(`open() takes no ${kind} entry that has a bit flipped, is cut short or goes on`, async () => {
    const seal = new EntrySeal(SECRET, encrypts);
    const entry = await sealed(sample(KEY, 300_000, RICH), seal);
    const random = seededRandom(5);
    const opened = async (change: (pieces: Uint8Array<ArrayBuffer>[]) => void) => {
      const pieces = piecesOf(entry).map((piece) => piece.slice());
      change(pieces);
      return (await seal.open(pieces, NAME, 3_000)).kind;
    };
    for (let time = 0; time < 300; time++) {
      const flipped = await opened((pieces) => {
        const piece = pieces[time % pieces.length]!;
        // All of the header, then anywhere.
        const at = time < 180 && piece === pieces[0] ? time >> 1 : Math.floor(random() * piece.byteLength);
        piece[at]! ^= 1 << Math.floor(random() * 8);
      });
      assert.notEqual(flipped, "found");
    }
    const cuts = [1, 55, 87, 91, 92, 262_143];
    for (const length of cuts) assert.equal(await opened((all) => (all[0] = all[0]!.slice(0, length))), "corrupt");
    assert.equal(await opened((pieces) => void pieces.pop()), "corrupt");
    assert.equal(await opened((pieces) => void pieces.push(new Uint8Array(1))), "corrupt");
    assert.equal(await opened((pieces) => void pieces.reverse()), "other");
    assert.equal(await opened(() => {}), "found");
  });
}

Deno.test("open() takes no entry of another secret, of another entry, or of another key with the same hash", async () => {
  const seal = new EntrySeal(SECRET, false);
  const pieces = piecesOf(await sealed(sample(KEY, 10)));
  const kindOf = async (by: EntrySeal, name: typeof NAME) => (await by.open(pieces, name, 3_000)).kind;
  assert.equal(await kindOf(new EntrySeal("another secret of the tests", false), NAME), "corrupt");
  assert.equal(await kindOf(seal, { ...NAME, hash: "f".repeat(32) }), "corrupt");
  assert.equal(await kindOf(seal, { ...NAME, key: `${KEY}0` }), "corrupt");
  assert.equal(await kindOf(seal, NAME), "found");
});

Deno.test("open() answers nothing that is past its time, nor what another version wrote", async () => {
  const seal = new EntrySeal(SECRET, false);
  const { value } = await sealed(sample(KEY, 10));
  assert.equal((await seal.open([value], NAME, 99_999)).kind, "found");
  assert.equal((await seal.open([value], NAME, 100_000)).kind, "dead");
  const later = value.slice();
  later[0] = 2;
  assert.equal((await seal.open([later], NAME, 3_000)).kind, "other");
  assert.equal((await seal.open([new Uint8Array(0)], NAME, 3_000)).kind, "corrupt");
});

Deno.test("seal() writes nothing of a response in the clear where it encrypts, and the same response differently each time", async () => {
  const seal = new EntrySeal(SECRET, true);
  const response = sample(KEY, 0, { body: new TextEncoder().encode("in the clear ".repeat(20)) });
  const [first, second] = [await sealed(response, seal), await sealed(response, seal)];
  const text = (entry: SealedEntry) => new TextDecoder("latin1").decode(entry.value);
  assert.ok(!text(first).includes("in the clear") && !text(first).includes("movie"));
  assert.ok(text(await sealed(response)).includes("in the clear"));
  assert.notEqual(text(first).slice(88), text(second).slice(88));
});

Deno.test("seal() takes a marker for fresh as long as it is of use", async () => {
  const variant = sample(`${KEY}\0accept:x`, 10, { selectedBy: [["accept", "x"]] });
  const { value } = await sealed(varyMarker(KEY, variant));
  assert.equal(new DataView(value.buffer).getFloat64(20), TIMES.deadAtMs);
});
