import { LRUCache } from "lru-cache";
import { ttlMs } from "../cache/policy/reuse.ts";
import { heldBytes, type StoredResponse } from "../cache/stored_response.ts";
import { within } from "../clock.ts";
import { isDocument, plainBody } from "../deliver/document.ts";
import { filledForm, unfilledForm } from "../deliver/filled_form.ts";
import { messageOf } from "../errors.ts";
import type { FillableRequest, Filled, Filler } from "../request/snapshot.ts";
import type { FilledDocument, FillPlan } from "../upstream_type/type_traits.ts";
import { obtainPart, type Part, partRequest } from "./part_request.ts";

/** Filled documents that are kept, so that each is made once; in each worker, for each listener. */
const HELD_BYTES = 16 * 1024 * 1024;

/** Parts that could not be had are not asked for again for so long. */
const REST_MS = 30_000;
const MAX_RESTING = 10_000;

/** A document that nothing could be found for is not looked at again for so long: that takes far longer than to serve it. */
const UNTOUCHED_MS = 1_000;

/** Why a stored document was left as it is. */
interface Untouched {
  readonly plan: string;
  /** Whose request it was: a part may be refused to one client alone. */
  readonly asker: string;
  readonly trouble: string;
  /** Milliseconds since the Unix epoch. */
  readonly untilMs: number;
}

/** How a stored document was filled, by one plan. */
interface Known {
  readonly plan: string;
  readonly parts: readonly KnownPart[];
  /** In words; `null` where nothing could be filled. */
  readonly filled: string | null;
}

/** A part that a document was filled from; its store may let it go. */
interface KnownPart {
  readonly key: string;
  readonly response: WeakRef<StoredResponse>;
}

/** A document with all parts that could be had. */
interface Made {
  readonly mixed: FilledDocument;
  readonly parts: readonly StoredResponse[];
  /** Why a part is missing, in a word or two; `null` where none is. */
  readonly trouble: string | null;
}

/** A stored document that is filled by a plan. */
interface Task {
  readonly request: FillableRequest;
  readonly stored: StoredResponse;
  readonly plan: FillPlan;
}

/** Fills documents of a listener from other languages when they are served: from stored documents, else from upstreams. */
export class LanguageFiller implements Filler {
  readonly #waitMs: number;
  readonly #known = new WeakMap<StoredResponse, Known>();
  readonly #forms = new LRUCache<Known, StoredResponse>({ maxSize: HELD_BYTES, sizeCalculation: heldBytes });
  readonly #untouched = new WeakMap<StoredResponse, Untouched>();
  /** By the key of the part and who asked: until when (milliseconds since the Unix epoch), and why. */
  readonly #resting = new LRUCache<string, { readonly untilMs: number; readonly trouble: string }>({
    max: MAX_RESTING,
  });

  /** @param waitMs how long a request waits for all parts together */
  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  lacks(stored: StoredResponse, plan: FillPlan): boolean {
    const known = this.#known.get(stored);
    if (known?.plan === plan.name) return known.filled !== null;
    if (this.#untouched.get(stored)?.plan === plan.name) return true;
    const first = firstOf(stored, plan)?.first ?? null;
    return first !== null && (first.next !== null || first.filled.length > 0);
  }

  fill(request: FillableRequest, stored: StoredResponse, plan: FillPlan): Filled | Promise<Filled> {
    const known = this.#known.get(stored);
    if (known?.plan === plan.name && known.parts.every((part) => isCurrent(request, part))) {
      const again = this.#again(stored, known);
      if (again !== null) return again;
    }
    const untouched = this.#untouchedFor(request, stored, plan);
    if (untouched !== null) return untouched;
    const task = { request, stored, plan };
    const found = firstOf(stored, plan);
    if (found === null) {
      this.#known.set(stored, { plan: plan.name, parts: [], filled: null });
      return { response: stored, detail: null };
    }
    const { first, body } = found;
    if (first.next === null) return this.#settled(task, { mixed: first, parts: [], trouble: null });
    const { services: { repeats }, tenant, requestId } = request;
    return this.#gathered(task, body, first).then((made) => this.#settled(task, made)).catch((error) => {
      repeats.warn("cache", "A document could not be filled", tenant.name, {
        id: requestId,
        listener: tenant.name,
        problem: messageOf(error),
      });
      return { response: stored, detail: null };
    });
  }

  /** The document as it is, where nothing was found for it a moment ago; else `null`. */
  #untouchedFor(request: FillableRequest, stored: StoredResponse, plan: FillPlan): Filled | null {
    const untouched = this.#untouched.get(stored);
    const nowMs = request.services.clock.now();
    if (untouched?.plan !== plan.name || untouched.untilMs <= nowMs || request.isBackground) return null;
    if (untouched.asker !== askerOf(request)) return null;
    return { response: unfilledForm(stored, nowMs), detail: `unfilled: ${untouched.trouble}` };
  }

  /** What was made before; `null` where it is not kept. */
  #again(stored: StoredResponse, known: Known): Filled | null {
    if (known.filled === null) return { response: stored, detail: null };
    const form = this.#forms.get(known);
    return form === undefined ? null : { response: form, detail: known.filled };
  }

  /** Gets one part after the other until nothing more can be filled, or the time is over. */
  async #gathered({ request, plan }: Task, body: Uint8Array<ArrayBuffer>, first: FilledDocument): Promise<Made> {
    const untilMs = performance.now() + this.#waitMs;
    const parts: StoredResponse[] = [];
    const bodies: Uint8Array[] = [];
    let mixed = first;
    while (mixed.next !== null) {
      const part = await this.#part(request, mixed.next, untilMs);
      const text = typeof part === "string" ? null : plainBody(part);
      if (typeof part === "string" || text === null) {
        return { mixed, parts, trouble: typeof part === "string" ? part : WRONG_CONTENT };
      }
      parts.push(part);
      bodies.push(text);
      mixed = plan.fill(body, bodies) ?? { ...mixed, next: null };
    }
    return { mixed, parts, trouble: null };
  }

  /** A part that is stored under one of the queries, else what an upstream answers to the last of them. */
  async #part(whole: FillableRequest, queries: readonly string[], untilMs: number): Promise<Part> {
    const { services: { background, clock } } = whole;
    const request = partRequest(whole, queries.at(-1)!);
    const name = `${request.key}\n${askerOf(request)}`;
    const found = this.#resting.get(name);
    const resting = found !== undefined && clock.now() < found.untilMs ? found : null;
    // What was late may have been stored since.
    for (const query of resting === null ? queries.slice(0, -1) : queries) {
      const stored = await obtainPart(partRequest(whole, query, { storedOnly: true }));
      if (typeof stored !== "string" && isGood(stored)) return stored;
    }
    if (resting !== null) return resting.trouble;
    if (background.isFull && !whole.isBackground) return "busy";
    const asking = obtainPart(request);
    background.add(asking);
    const part = await within(asking, untilMs - performance.now(), "late");
    const trouble = typeof part === "string"
      ? part
      : isGood(part)
      ? null
      : part.status === 200
      ? WRONG_CONTENT
      : `status ${part.status}`;
    if (trouble === null) return part;
    if (trouble !== NOT_ASKED) this.#resting.set(name, { untilMs: clock.now() + REST_MS, trouble });
    return trouble;
  }

  /** What is made of what could be had. Only what is complete is remembered. */
  #settled({ request, stored, plan }: Task, { mixed, parts, trouble }: Made): Filled {
    const nowMs = request.services.clock.now();
    const filled = mixed.filled.length === 0 ? null : `filled: ${mixed.filled.join(", ")}`;
    const known = this.#known.get(stored);
    if (trouble === null && known?.plan === plan.name && isMadeOf(known, parts)) {
      const again = this.#again(stored, known);
      if (again !== null) return again;
    }
    const response = filled === null ? stored : filledForm(stored, { document: mixed.document, parts, nowMs });
    if (trouble !== null) {
      if (filled === null && trouble !== NOT_ASKED) {
        const untilMs = nowMs + UNTOUCHED_MS;
        this.#untouched.set(stored, { plan: plan.name, asker: askerOf(request), trouble, untilMs });
      }
      const why = `unfilled: ${trouble}`;
      return { response: unfilledForm(response, nowMs), detail: filled === null ? why : `${filled}, ${why}` };
    }
    const made: Known = {
      plan: plan.name,
      parts: parts.map((part) => ({ key: part.key, response: new WeakRef(part) })),
      filled,
    };
    this.#known.set(stored, made);
    if (filled !== null) this.#forms.set(made, response);
    return { response, detail: filled };
  }
}

/** A part that is too large, or in a coding that is not taken off. */
const WRONG_CONTENT = "wrong content";

/** The error of a request that wants no upstream asked. */
const NOT_ASKED = "only_if_cached";

/** What of a request may say who asks: its query may name a key. */
function askerOf(request: Pick<FillableRequest, "query" | "header">): string {
  return `${request.query}\n${request.header("authorization") ?? ""}`;
}

/** A stored document as text, and what it lacks; `null` where it is no document that is filled. */
function firstOf(stored: StoredResponse, plan: FillPlan) {
  if (!isDocument(stored, stored.body.byteLength)) return null;
  const body = plainBody(stored);
  const first = body === null ? null : plan.fill(body, []);
  return body === null || first === null ? null : { body, first };
}

function isGood(part: StoredResponse): boolean {
  return isDocument(part, part.body.byteLength);
}

/** Whether a part is stored still, in memory, fresh and neither purged nor changed: the store says so, and awaits nothing. */
function isCurrent(request: FillableRequest, { key, response }: KnownPart): boolean {
  const { store, clock } = request.services;
  const found = store.get(key);
  if (found === undefined || found instanceof Promise || found.response !== response.deref()) return false;
  return !found.response.isPurged && ttlMs(found.response, clock.now()) > 0 &&
    !request.isChanged(found.response);
}

function isMadeOf({ parts }: Known, responses: readonly StoredResponse[]): boolean {
  return parts.length === responses.length && parts.every(({ response }, at) => response.deref() === responses[at]);
}
