import { Fill } from "../cache/flights/fill.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { Services } from "../request/services.ts";

/** How something is made that all workers need once. */
export interface Making {
  /** Names it; no request's own key. */
  readonly key: string;
  /** What is to be stored, or `null` where there is nothing. */
  readonly make: () => Promise<StoredResponse | null>;
}

/** Makes a response once in all workers together, and stores it; `null` where there is none. Never rejects. */
export async function madeOnce({ collapse, store }: Services, { key, make }: Making): Promise<StoredResponse | null> {
  const entry = collapse.enter(key);
  if (entry.role === "solo") return null;
  if (entry.role === "follower") {
    const result = await entry.result;
    // Whoever made it just now may have let go of it, since it is stored.
    if (result.kind !== "shared") return (await store.get(key))?.response ?? null;
    return await result.fill.whole().then((body) => result.head.withBody(body), () => null);
  }
  let made: StoredResponse | null = null;
  try {
    made = await make();
    if (made === null) return null;
    store.put(made);
    entry.flight.land({ kind: "shared", head: made, fill: Fill.ofBody(made.body) });
    return made;
  } catch {
    return null;
  } finally {
    collapse.finish(entry.flight, made);
  }
}

/** What a promise gives in time; `undefined` where that takes longer. */
export async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) =>
    timer = setTimeout(() => resolve(undefined), Math.max(0, timeoutMs))
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
