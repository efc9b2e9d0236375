import assert from "node:assert/strict";
import type { StateEntry, StateKey, StateStore } from "../../lib/state/state_store.ts";

/** How a state store is opened for a test. */
export interface StateUnderTest {
  readonly name: string;
  open(): Promise<{ readonly state: StateStore } & AsyncDisposable>;
}

/** A text of this length that differs by its seed. */
function textOf(length: number, seed = 1): string {
  return `${seed} of a text; `.repeat(Math.ceil(length / 10)).slice(0, length);
}

async function listed(state: StateStore, prefix: StateKey): Promise<StateEntry[]> {
  return await Array.fromAsync(state.list(prefix));
}

/** What every state store must do. */
export function stateSuite(under: StateUnderTest): void {
  const test = (criterion: string, body: (state: StateStore) => Promise<void>) =>
    Deno.test(`${under.name} ${criterion}`, async () => {
      await using opened = await under.open();
      await body(opened.state);
    });

  test("answers null for a name that has no value", async (state) => {
    assert.equal(await state.get(["none"]), null);
    await state.delete(["none"]);
    assert.deepEqual(await listed(state, ["none"]), []);
  });

  for (const length of [0, 1, 59_000, 60_000, 65_536, 200_000, 2_000_000]) {
    test(`gives back text and bytes of ${length} as they were set, and nothing after a delete`, async (state) => {
      const entries = [
        { key: ["a", "text"], value: { text: textOf(length), at: 7 } },
        { key: ["a", "bytes"], value: new TextEncoder().encode(textOf(length, 2)) },
      ];
      await state.set(entries);
      for (const { key, value } of entries) assert.deepEqual(await state.get(key), value);
      assert.deepEqual(await listed(state, ["a"]), entries.toReversed());
      for (const { key } of entries) await state.delete(key);
      assert.deepEqual(await listed(state, ["a"]), []);
    });
  }

  for (const length of [10, 150_000]) {
    test(`deletes a value of ${length} only where it is the one that is meant`, async (state) => {
      const key = ["a", "b"];
      await state.set([{ key, value: textOf(length, 2) }]);
      await state.delete(key, (value) => value === textOf(length, 1));
      assert.equal(await state.get(key), textOf(length, 2));
      await state.delete(key, (value) => value === textOf(length, 2));
      assert.equal(await state.get(key), null);
      await state.delete(key, (value) => value !== null);
    });
  }

  test("replaces a long value by a short one, and a short one by a long one", async (state) => {
    for (const length of [10, 150_000, 20, 400_000, 150_000, 30]) {
      await state.set([{ key: ["a", "b"], value: textOf(length) }]);
      assert.equal(await state.get(["a", "b"]), textOf(length));
    }
  });

  test("lists what is below a name, by names, without the name itself", async (state) => {
    const keys = [["a", "1"], ["a", "1", "x"], ["a", "2"], ["ab", "3"], ["b", "4"]];
    await state.set(keys.map((key) => ({ key, value: key.join() })));
    const below = async (prefix: StateKey) => (await listed(state, prefix)).map(({ value }) => value);
    assert.deepEqual(await below(["a"]), ["a,1", "a,1,x", "a,2"]);
    assert.deepEqual(await below(["a", "1"]), ["a,1,x"]);
  });

  test("sets many values in one call", async (state) => {
    const entries = Array.from({ length: 3_000 }, (_, n) => ({ key: ["many", `${10_000 + n}`], value: { n } }));
    await state.set(entries);
    assert.deepEqual(await listed(state, ["many"]), entries);
  });

  test("watches a value: the one there is, then the newest", async (state) => {
    await using stream = watched(state, ["w"]);
    assert.equal(await stream.until((value) => value === null), null);
    for (const value of [{ version: 1 }, textOf(100_000), { version: 3 }]) {
      await state.set([{ key: ["w"], value }]);
      assert.deepEqual(await stream.until((seen) => JSON.stringify(seen) === JSON.stringify(value)), value);
    }
  });

  test("never shows half of a value that is replaced while it is read", async (state) => {
    const [one, two] = [textOf(250_000, 3), textOf(310_000, 4)];
    await state.set([{ key: ["raced"], value: one }]);
    for (let turn = 0; turn < 6; turn++) {
      const reads = Array.from({ length: 4 }, () => state.get(["raced"]));
      await state.set([{ key: ["raced"], value: turn % 2 === 0 ? two : one }]);
      for (const read of await Promise.all(reads)) assert.ok(read === one || read === two);
    }
  });
}

/** Reads a watch until something comes, and ends it. */
function watched(state: StateStore, key: StateKey) {
  const reader = state.watch(key).getReader();
  return {
    async until(isIt: (value: unknown) => boolean): Promise<unknown> {
      for (;;) {
        const { value, done } = await reader.read();
        assert.ok(!done);
        if (isIt(value)) return value;
      }
    },
    [Symbol.asyncDispose]: () => reader.cancel(),
  };
}
