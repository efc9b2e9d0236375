import { commitPatiently } from "../../state/kv_commit.ts";

/** How far a list of changes has been looked through. */
export interface ChangePosition {
  /** Day (UTC) that is looked through, as `2026-01-31`; all before it is done with. */
  readonly day: string;
  /** The page to go on with; 1 where the last look-up came to its end. */
  readonly page: number;
  /** Ids of that day that are done with, the first ones first. */
  readonly seen: ReadonlySet<number>;
}

/** Where a position stands in KV, beside its ids. */
interface Cursor {
  readonly day: string;
  readonly page: number;
  readonly chunks: number;
}

/** Ids in one value: Deno KV takes 65,536 bytes. */
const CHUNK_IDS = 15_000;

/** Keeps in KV what has been looked up. Without KV nothing is kept; what KV throws is for the caller to log. */
export class ChangeMemory {
  readonly #kv: Deno.Kv | null;

  constructor(kv: Deno.Kv | null) {
    this.#kv = kv;
  }

  /** The position in a pool's list; `null` where there is none. @throws what Deno KV throws */
  async load(pool: string, kind: string): Promise<ChangePosition | null> {
    const cursor = (await this.#kv?.get<Cursor>(cursorRow(pool, kind)))?.value ?? null;
    if (cursor === null || typeof cursor.day !== "string") return null;
    const seen = new Set<number>();
    for (let number = 0; number < cursor.chunks; number++) {
      const { value } = await this.#kv!.get<Uint8Array>([...idRows(pool, kind), cursor.day, number]);
      for (const id of idsIn(value)) seen.add(id);
    }
    return { day: cursor.day, page: cursor.page, seen };
  }

  /** Notes a position: its ids first, so that no cursor tells of ids that are not there. @throws what Deno KV throws */
  async save(pool: string, kind: string, { day, page, seen }: ChangePosition): Promise<void> {
    const kv = this.#kv;
    if (kv === null) return;
    const ids = [...seen];
    const chunks = Math.ceil(ids.length / CHUNK_IDS);
    for (let number = 0; number < chunks; number++) {
      const chunk = new Uint32Array(ids.slice(number * CHUNK_IDS, (number + 1) * CHUNK_IDS));
      await commitPatiently(kv.atomic().set([...idRows(pool, kind), day, number], new Uint8Array(chunk.buffer)));
    }
    await commitPatiently(kv.atomic().set(cursorRow(pool, kind), { day, page, chunks } satisfies Cursor));
    await this.#forgetBefore(pool, kind, day);
  }

  async #forgetBefore(pool: string, kind: string, day: string): Promise<void> {
    const prefix = idRows(pool, kind);
    for await (const { key } of this.#kv!.list({ prefix, end: [...prefix, day] })) {
      await commitPatiently(this.#kv!.atomic().delete(key));
    }
  }
}

function cursorRow(pool: string, kind: string): Deno.KvKey {
  return ["changes", pool, kind, "at"];
}

function idRows(pool: string, kind: string): string[] {
  return ["changes", pool, kind, "seen"];
}

function idsIn(value: unknown): Iterable<number> {
  if (!(value instanceof Uint8Array) || value.byteLength % Uint32Array.BYTES_PER_ELEMENT !== 0) return [];
  return new Uint32Array(value.slice().buffer);
}
