import { ContentRule } from "../../lib/upstream_type/_content.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import {
  type KeyForm,
  type Outgoing,
  type TypedRequest,
  type TypeOptions,
  UpstreamType,
} from "../../lib/upstream_type/upstream_type.ts";

/** A fourth type, for tests: a service with keys and terms of its own, whose answers are JSON. */
class FilmArchive extends UpstreamType {
  readonly name = "film-archive";
  override readonly maxTtlMs = 3_600_000;
  override readonly cookies = "ignore";
  override readonly inspectsContent = true;
  override readonly keyForm: KeyForm = {
    expected: "a key of the archive (FA- and six digits)",
    isKey: (text) => /^FA-[0-9]{6}$/.test(text),
    warning: (key) => key === "FA-000000" ? "this is the key of the examples" : null,
  };
  readonly #key: string | null;
  readonly #content = new ContentRule({ allow: [], deny: [] }, ["application/json"]);

  constructor({ apiKeys, keyMode }: TypeOptions) {
    super();
    this.#key = keyMode === "pass" ? null : apiKeys[0] ?? null;
  }

  override outgoing({ query }: TypedRequest): Outgoing {
    if (this.#key === null) return { query, set: [], credential: null };
    return { query, set: [["x-archive-key", this.#key]], credential: 0, secret: this.#key };
  }

  override verifies(mediaType: string): boolean {
    return this.#content.verifies(mediaType);
  }
}

upstreamTypes.add(FilmArchive);
