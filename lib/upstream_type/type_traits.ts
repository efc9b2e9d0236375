/** One page of a list of what has changed. */
export interface ChangePage {
  /** Ids of what has changed; each may come twice. */
  readonly ids: readonly number[];
  /** Pages that the whole list has. */
  readonly pages: number;
}

/** Which page of which list is wanted. */
export interface ChangeAsk {
  /** One of {@linkcode ChangeSource.kinds}. */
  readonly kind: string;
  /** Day (UTC), as `2026-01-31`. */
  readonly day: string;
  /** The day is not over: the list reaches up to now. */
  readonly isToday: boolean;
  /** From 1. */
  readonly page: number;
}

/** How a type's upstreams list what has changed. */
export interface ChangeSource {
  /** What changes are listed for. */
  readonly kinds: readonly string[];
  /** Days that the lists reach back, today included. */
  readonly reachDays: number;
  /** Path and query of a page. */
  target(ask: ChangeAsk): string;
  /** Reads a page; `null` where the body is none. Invalid entries are skipped, and the number of ids is bounded. */
  read(body: Uint8Array): ChangePage | null;
  /** The purge tag of what has changed. */
  tag(kind: string, id: number): string;
}

/** A cache key's target split into a document and the parts asked for with it. */
export interface PartedTarget {
  /** The target without its parts; targets with one base ask for the same document. */
  readonly base: string;
  /** Names of the parts as in the target; sorted, each once. */
  readonly parts: readonly string[];
}

/** How a stored document with more parts answers a request for fewer, to the byte. */
export interface PartedDocuments {
  /** Splits a target; `null` where its document is never cut or made by cutting. */
  read(target: string): PartedTarget | null;
  /** Whether the wanted document can be cut from the held one, by their targets. */
  mayCut(held: PartedTarget, wanted: PartedTarget): boolean;
  /**
   * Cuts a document; every byte outside the removed parts is kept. `null` where it is not certain that an upstream would have sent
   * the same.
   */
  cut(body: Uint8Array<ArrayBuffer>, held: PartedTarget, wanted: PartedTarget): Uint8Array<ArrayBuffer> | null;
}

/** The side that a smaller picture is fitted to, in pixels; the other side follows. */
export type PictureFit = { readonly width: number } | { readonly height: number };

/** A size of a picture that can be made from a larger one. */
export interface SizedPicture {
  readonly fit: PictureFit;
  /** Paths of larger sizes that may be stored, the nearest first. */
  readonly larger: readonly string[];
}

/** The sizes that a type's service lists for its pictures, as far as plain widths and heights go. */
export interface ListedSizes {
  /** Paths of the same picture in larger sizes of its kind, the nearest first; a few at most, none for other paths. */
  larger(path: string): readonly string[];
  /** The path of the largest size that is not wider than so many pixels; `null` where the path's own is not wider, or is none. */
  bounded(path: string, maxWidth: number): string | null;
}

/** Reads the size in a picture's path; `null` where it cannot be made exactly from another. */
export type SizedPictures = (path: string) => SizedPicture | null;

/** A document with texts filled in from other languages, as far as the parts so far go. */
export interface FilledDocument {
  /** The very bytes that were given where nothing is filled; every byte outside the filled values is kept. */
  readonly document: Uint8Array<ArrayBuffer>;
  /** What was filled and from which language, in words of ASCII such as `overview (zh-TW)`; empty where nothing was. */
  readonly filled: readonly string[];
  /**
   * Queries for the next part, at the document's own path: any one of them will do where it is stored, else the last is asked for.
   * `null` where no further part can fill anything.
   */
  readonly next: readonly string[] | null;
}

/** How the response to one request is filled. Pure: who calls it gets the parts. */
export interface FillPlan {
  /** The same for requests that are filled in the same way. */
  readonly name: string;
  /**
   * Fills what a document lacks from itself and from parts, which come in the order in which `next` named them; `null` where it is no
   * such document.
   */
  fill(document: Uint8Array<ArrayBuffer>, parts: readonly Uint8Array[]): FilledDocument | null;
}

/** How a type's documents say in one language what they lack in another. */
export interface LanguageFilling {
  /**
   * How the response to a request may be filled from these languages, the first that has a text comes first; `null` where it may not.
   * Called for each request.
   */
  plan(request: { readonly path: string; readonly query: string }, languages: readonly string[]): FillPlan | null;
}
