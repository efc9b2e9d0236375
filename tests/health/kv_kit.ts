import assert from "node:assert/strict";
import type { HealthTable } from "../../lib/health/health_table.ts";
import type { HealthReaderDeps } from "../../lib/health/health_reader.ts";
import { KvStateStore } from "../../lib/state/kv_state_store.ts";
import { healthRow } from "../pool/health_rows.ts";

/** A table of one healthy upstream whose weight is the version. */
export function tableOf(pool: string, version: number, over: Partial<HealthTable> = {}): HealthTable {
  return { pool, version, atMs: Date.now(), upstreams: { a: healthRow("healthy", { weight: version }) }, ...over };
}

/** The machine's own time; trouble fails the test. */
export const READER_DEPS: HealthReaderDeps = {
  now: Date.now,
  schedule: (call, delayMs) => {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
  onTrouble: (error) => {
    throw error;
  },
};

/** Runs a test on a real KV file, opened twice as by two workers. */
export async function withState(
  test: (writer: KvStateStore, reader: KvStateStore, kv: Deno.Kv) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const writer = await Deno.openKv(`${folder}/kv`);
  const reader = await Deno.openKv(`${folder}/kv`);
  try {
    await test(new KvStateStore(writer), new KvStateStore(reader), writer);
  } finally {
    writer.close();
    reader.close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Waits for tables to arrive, for five seconds at most. */
export class Inbox {
  readonly tables: HealthTable[] = [];
  #wake: () => void = () => {};

  readonly take = (tables: HealthTable[]): void => {
    this.tables.push(...tables);
    this.#wake();
  };

  async until(done: () => boolean): Promise<void> {
    const deadline = Date.now() + 120_000;
    while (!done()) {
      assert.ok(Date.now() < deadline, `only ${JSON.stringify(this.tables)}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, 100);
      await promise;
      clearTimeout(timer);
    }
  }

  versions(pool: string): number[] {
    return this.tables.filter((one) => one.pool === pool).map(({ version }) => version);
  }
}
