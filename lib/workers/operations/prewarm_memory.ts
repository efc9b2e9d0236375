import type { PictureOrder } from "./prewarm_job.ts";
import type { StateStore } from "../../state/state_store.ts";

/** A prewarm as it is noted, so that one that a stop broke off goes on after a restart. */
export interface KeptPrewarm {
  readonly listener: string;
  readonly targets: readonly string[];
  /** How many of them are done. */
  readonly done: number;
  readonly concurrency: number;
  readonly ratePerSecond: number;
  /** Whose pictures come with the documents; `null` for none. */
  readonly pictures: PictureOrder | null;
}

/** How far a prewarm has come. */
interface Cursor extends Pick<KeptPrewarm, "done" | "concurrency" | "ratePerSecond"> {
  /** Values that the targets lie in, in the layout before this one. */
  readonly pages?: number;
  /** Absent where there are none. */
  readonly pictures?: PictureOrder;
}

/** Keeps what is being prewarmed. Without a state store nothing is kept; its errors are the caller's to log. */
export class PrewarmMemory {
  readonly #state: StateStore | null;
  /** Listeners whose targets are kept. */
  readonly #begun = new Set<string>();
  /** Writes are made one after the other: a late cursor must not outlive its targets. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(state: StateStore | null) {
    this.#state = state;
  }

  /** Notes a new prewarm with all of its targets. @throws what the state store throws */
  begin(kept: KeptPrewarm): Promise<void> {
    return this.#inTurn(async (state) => {
      await this.#remove(state, kept.listener);
      // The cursor last: what has none was not noted to its end.
      await state.set([
        { key: ["prewarm", kept.listener, "targets"], value: kept.targets.join("\n") },
        cursorOf(kept),
      ]);
      this.#begun.add(kept.listener);
    });
  }

  /** Notes how far it has come. @throws what the state store throws */
  advance(kept: KeptPrewarm): Promise<void> {
    return this.#inTurn(async (state) => {
      if (this.#begun.has(kept.listener)) await state.set([cursorOf(kept)]);
    });
  }

  /** Forgets a prewarm. @throws what the state store throws */
  end(listener: string): Promise<void> {
    return this.#inTurn((state) => this.#remove(state, listener));
  }

  /** Those that did not come to their end. @throws what the state store throws */
  async unfinished(): Promise<readonly KeptPrewarm[]> {
    const found: KeptPrewarm[] = [];
    for await (const { key, value } of this.#state?.list(["prewarm"]) ?? []) {
      if (key[2] !== "cursor") continue;
      const listener = String(key[1]);
      const { done, concurrency, ratePerSecond, pages, pictures = null } = value as Cursor;
      const targets = await targetsIn(this.#state!, listener, pages);
      if (targets === null) continue;
      this.#begun.add(listener);
      found.push({ listener, targets, done, concurrency, ratePerSecond, pictures });
    }
    return found;
  }

  #inTurn(work: (state: StateStore) => Promise<void>): Promise<void> {
    const state = this.#state;
    if (state === null) return Promise.resolve();
    const turn = this.#last.then(() => work(state));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #remove(state: StateStore, listener: string): Promise<void> {
    this.#begun.delete(listener);
    await state.delete(["prewarm", listener, "cursor"]);
    for await (const { key } of state.list(["prewarm", listener])) await state.delete(key);
  }
}

function cursorOf({ listener, done, concurrency, ratePerSecond, pictures }: KeptPrewarm) {
  const value: Cursor = { done, concurrency, ratePerSecond, ...pictures === null ? {} : { pictures } };
  return { key: ["prewarm", listener, "cursor"], value };
}

/** `null` where not all of them are there. */
async function targetsIn(state: StateStore, listener: string, pages: number | undefined): Promise<string[] | null> {
  const texts: unknown[] = [];
  if (pages === undefined) texts.push(await state.get(["prewarm", listener, "targets"]));
  for (let n = 0; n < (pages ?? 0); n++) texts.push(await state.get(["prewarm", listener, "page", n]));
  return texts.every((text) => typeof text === "string") ? texts.flatMap((text) => text.split("\n")) : null;
}
