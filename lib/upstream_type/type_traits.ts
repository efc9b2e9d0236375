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
  /** The day goes on: the list is to reach up to now. */
  readonly isToday: boolean;
  /** From 1. */
  readonly page: number;
}

/** How an upstream of a type is asked what has changed there. */
export interface ChangeSource {
  /** What changes are listed for. */
  readonly kinds: readonly string[];
  /** Days that the lists reach back, today included. */
  readonly reachDays: number;
  /** Path and query of a page. */
  target(ask: ChangeAsk): string;
  /** Reads a page; `null` where the body is none. What makes no sense in it is left out, and it is never more than a bounded number. */
  read(body: Uint8Array): ChangePage | null;
  /** The purge tag of what has changed. */
  tag(kind: string, id: number): string;
}

/** A target of a cache key (see `keyTarget` of a type), taken apart by what may be asked for beside a document. */
export interface PartedTarget {
  /** The target of the document alone: targets with one base ask for the same, but for their parts. */
  readonly base: string;
  /** Names of the parts asked for, as they stand in the target; sorted, each once. */
  readonly parts: readonly string[];
}

/** How a type's documents can be cut down: a stored one with more parts answers a request for fewer, to the byte. */
export interface PartedDocuments {
  /** Takes a target apart; `null` where its document is never cut, nor made by cutting. */
  read(target: string): PartedTarget | null;
  /** Whether a document with some parts may be made of one with others, as far as the targets say. */
  mayCut(held: PartedTarget, wanted: PartedTarget): boolean;
  /**
   * The bytes of a document without the parts that are not wanted, every other byte kept; `null` where it is not certain that an
   * upstream would have sent just that.
   */
  cut(body: Uint8Array<ArrayBuffer>, held: PartedTarget, wanted: PartedTarget): Uint8Array<ArrayBuffer> | null;
}

/** What a smaller picture is fitted to, in pixels; its other side follows. */
export type PictureFit = { readonly width: number } | { readonly height: number };

/** A picture that can be made of a larger one of its own. */
export interface SizedPicture {
  readonly fit: PictureFit;
  /** Paths of larger ones that may be stored, the nearest size first; a few. */
  readonly larger: readonly string[];
}

/** Tells which size of a picture a path names; `null` where it is none that can be made of another exactly. */
export type SizedPictures = (path: string) => SizedPicture | null;
