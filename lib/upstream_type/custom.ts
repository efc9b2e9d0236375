import { fieldValue, type ResponseHead } from "../http/fields.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { ContentRule, hasContent } from "./_content.ts";
import { type AnswerSource, type Judgement, type TypeOptions, UpstreamType } from "./upstream_type.ts";

/** Any HTTP service: what may be shared, and for how long, is for it to say (RFC 9111). */
export class Custom extends UpstreamType {
  readonly name = "custom";
  override readonly readsTraces = true;
  override readonly upgrades = ["websocket"];
  /** Without `content_types` a pool carries any content. */
  override readonly inspectsContent: boolean;
  readonly #content: ContentRule;

  constructor({ contentTypes }: TypeOptions) {
    super();
    this.inspectsContent = contentTypes !== null;
    this.#content = new ContentRule(contentTypes ?? { allow: [], deny: [] });
  }

  override judge(head: ResponseHead, credential: number | null, from?: AnswerSource): Judgement {
    const { status, fields } = head;
    const mediaType = mediaTypeOf(fieldValue(fields, "content-type"));
    const isWrong = status !== 429 && this.#content.isWrong(status, mediaType);
    if (isWrong && hasContent(status, fieldValue(fields, "content-length"))) {
      return from?.asksFor(mediaType) === true ? "unsuitable" : "wrong_content";
    }
    return super.judge(head, credential);
  }

  override verifies(mediaType: string): boolean {
    return this.#content.verifies(mediaType);
  }
}
