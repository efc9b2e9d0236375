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
