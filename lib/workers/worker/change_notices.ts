import { within } from "../../clock.ts";
import type { ChangedMessage } from "../messages.ts";

/** How long the response to an unsafe request waits for the cluster's engine to take what it has changed. */
const TOLD_MS = 50;

/** Tells the supervisor what unsafe requests have changed: it writes that down, and tells the other gateways of a cluster. */
export class ChangeNotices {
  readonly #tell: (message: ChangedMessage) => void;
  readonly #hasOthers: boolean;
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  #lastId = 0;

  /** `hasOthers`: there is a cluster. */
  constructor(tell: (message: ChangedMessage) => void, hasOthers: boolean) {
    this.#tell = tell;
    this.#hasOthers = hasOthers;
  }

  /** What has these tags has changed, on the listeners of a type. */
  written(type: string, tags: readonly string[]): void {
    this.#send([], { type, tags });
  }

  /** What these keys stand for has changed. */
  changed(keys: readonly string[]): void {
    if (this.#hasOthers) this.#send(keys, null);
  }

  /** The supervisor has told the others. */
  told(id: number): void {
    this.#waiting.get(id)?.resolve();
    this.#waiting.delete(id);
  }

  /** Settles when the others have been told of all so far, or after a moment. */
  async settled(): Promise<void> {
    if (this.#waiting.size === 0) return;
    await within(Promise.all([...this.#waiting.values()].map(({ promise }) => promise)), TOLD_MS, null);
  }

  #send(keys: readonly string[], written: ChangedMessage["written"]): void {
    const id = ++this.#lastId;
    if (this.#hasOthers) this.#waiting.set(id, Promise.withResolvers());
    this.#tell({ type: "changed", id, keys, written });
  }
}
