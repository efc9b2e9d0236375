import { commitPatiently } from "../../state/kv_commit.ts";

/** A prewarm as it is written down, so that one that a stop broke off goes on after a restart. */
export interface KeptPrewarm {
  readonly listener: string;
  readonly targets: readonly string[];
  /** How many of them are behind it. */
  readonly done: number;
  readonly concurrency: number;
  readonly ratePerSecond: number;
}

/** Deno KV takes 65,536 bytes a value; a target has at most two bytes a character here. */
const PAGE_CHARACTERS = 24_000;

/** Keeps in KV what is being prewarmed. Without KV nothing is kept; what KV throws is for the caller to log. */
export class PrewarmMemory {
  readonly #kv: Deno.Kv | null;
  readonly #pageCounts = new Map<string, number>();
  /** Writes are made one after the other: a late cursor must not outlive its pages. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(kv: Deno.Kv | null) {
    this.#kv = kv;
  }

  /** Writes a new prewarm down, all of its targets. @throws what Deno KV throws */
  begin(kept: KeptPrewarm): Promise<void> {
    return this.#inTurn(async (kv) => {
      await this.#remove(kv, kept.listener);
      const pages = pagesOf(kept.targets);
      for (const [number, page] of pages.entries()) {
        await commitPatiently(kv.atomic().set(["prewarm", kept.listener, "page", number], page));
      }
      this.#pageCounts.set(kept.listener, pages.length);
      // Last: what has no cursor was not written to its end.
      await this.#setCursor(kv, kept);
    });
  }

  /** Notes how far it has come. @throws what Deno KV throws */
  advance(kept: KeptPrewarm): Promise<void> {
    return this.#inTurn((kv) => this.#setCursor(kv, kept));
  }

  /** Forgets a prewarm. @throws what Deno KV throws */
  end(listener: string): Promise<void> {
    return this.#inTurn((kv) => this.#remove(kv, listener));
  }

  /** Those that did not come to their end. @throws what Deno KV throws */
  async unfinished(): Promise<readonly KeptPrewarm[]> {
    if (this.#kv === null) return [];
    const found: KeptPrewarm[] = [];
    for await (const { key, value } of this.#kv.list<Cursor>({ prefix: ["prewarm"] })) {
      if (key[2] !== "cursor") continue;
      const listener = String(key[1]);
      const { pages, ...kept } = value;
      const targets = await this.#pages(listener, pages);
      this.#pageCounts.set(listener, pages);
      if (targets !== null) found.push({ ...kept, listener, targets });
    }
    return found;
  }

  #inTurn(work: (kv: Deno.Kv) => Promise<void>): Promise<void> {
    const kv = this.#kv;
    if (kv === null) return Promise.resolve();
    const turn = this.#last.then(() => work(kv));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #setCursor(kv: Deno.Kv, { listener, done, concurrency, ratePerSecond }: KeptPrewarm): Promise<void> {
    const pages = this.#pageCounts.get(listener);
    if (pages === undefined) return;
    const cursor: Cursor = { done, pages, concurrency, ratePerSecond };
    await commitPatiently(kv.atomic().set(["prewarm", listener, "cursor"], cursor));
  }

  async #remove(kv: Deno.Kv, listener: string): Promise<void> {
    this.#pageCounts.delete(listener);
    await commitPatiently(kv.atomic().delete(["prewarm", listener, "cursor"]));
    for await (const { key } of kv.list({ prefix: ["prewarm", listener, "page"] })) {
      await commitPatiently(kv.atomic().delete(key));
    }
  }

  async #pages(listener: string, count: number): Promise<string[] | null> {
    const targets: string[] = [];
    for (let number = 0; number < count; number++) {
      const { value } = await this.#kv!.get<string>(["prewarm", listener, "page", number]);
      if (value === null) return null;
      targets.push(...value.split("\n"));
    }
    return targets;
  }
}

interface Cursor {
  readonly done: number;
  readonly pages: number;
  readonly concurrency: number;
  readonly ratePerSecond: number;
}

function pagesOf(targets: readonly string[]): string[] {
  const pages: string[] = [];
  let page = "";
  for (const target of targets) {
    if (page !== "" && page.length + target.length >= PAGE_CHARACTERS) {
      pages.push(page);
      page = "";
    }
    page += page === "" ? target : `\n${target}`;
  }
  return page === "" ? pages : [...pages, page];
}
