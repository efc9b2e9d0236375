import type { StateStore } from "../../state/state_store.ts";

/** How far a list of changes has been looked through. */
export interface ChangePosition {
  /** Day (UTC) that is looked through, as `2026-01-31`; all before it is done with. */
  readonly day: string;
  /** The page to go on with; 1 where the last look-up came to its end. */
  readonly page: number;
  /** Ids of that day that are done with, the first ones first. */
  readonly seen: ReadonlySet<number>;
}

/** Keeps positions in lists of changes. Without a state store nothing is kept; its errors are the caller's to log. */
export class ChangeMemory {
  readonly #state: StateStore | null;

  constructor(state: StateStore | null) {
    this.#state = state;
  }

  /** The position in a pool's list; `null` where there is none. @throws what the state store throws */
  async load(pool: string, kind: string): Promise<ChangePosition | null> {
    if (this.#state === null) return null;
    const held = await this.#state.get(["changes", pool, kind]);
    return held === null ? await earlierPosition(this.#state, pool, kind) : positionIn(held);
  }

  /** Notes a position. @throws what the state store throws */
  async save(pool: string, kind: string, { day, page, seen }: ChangePosition): Promise<void> {
    const key = ["changes", pool, kind];
    await this.#state?.set([{ key, value: { day, page, seen: Uint32Array.from(seen) } }]);
    // What is below the name is of the layout before this one.
    for await (const earlier of this.#state?.list(key) ?? []) await this.#state?.delete(earlier.key);
  }
}

function positionIn(value: unknown): ChangePosition | null {
  const { day, page, seen } = (value ?? {}) as Partial<Record<keyof ChangePosition, unknown>>;
  if (typeof day !== "string" || typeof page !== "number" || !(seen instanceof Uint32Array)) return null;
  return { day, page, seen: new Set(seen) };
}

/** A position as it was laid out before: `at` counts the values of ids below `seen`, in 15,000s of 32 bits each. */
async function earlierPosition(state: StateStore, pool: string, kind: string): Promise<ChangePosition | null> {
  const at = await state.get(["changes", pool, kind, "at"]) as { day: string; page: number; chunks: number } | null;
  if (typeof at?.day !== "string") return null;
  const seen = new Set<number>();
  for (let n = 0; n < at.chunks; n++) {
    const ids = await state.get(["changes", pool, kind, "seen", at.day, n]);
    if (!(ids instanceof Uint8Array) || ids.byteLength % Uint32Array.BYTES_PER_ELEMENT !== 0) continue;
    for (const id of new Uint32Array(ids.slice().buffer)) seen.add(id);
  }
  return { day: at.day, page: at.page, seen };
}
