import type { GatewayError } from "../errors.ts";
import { type Fields, fieldValue, type ResponseHead } from "../http/fields.ts";
import { ContentRule, hasContent, mediaTypeOf } from "./_content.ts";
import { problemDetails } from "./_errors.ts";
import type {
  AnswerSource,
  DefaultCheck,
  ErrorBody,
  Judgement,
  Outgoing,
  RequestClass,
  TypedRequest,
  TypeOptions,
  UpstreamType,
} from "./upstream_type.ts";

const ANY: RequestClass = Object.freeze({ name: "any", private: null, sharedAuthorization: false, ttl: null });
const UNSHARED: RequestClass = Object.freeze({
  name: "any",
  private: "method",
  sharedAuthorization: false,
  ttl: null,
});

/** Any HTTP service: nothing is known of it, so what may be shared, and for how long, is for it to say (RFC 9111). */
export class Custom implements UpstreamType {
  readonly name = "custom";
  readonly cacheMode = "rfc9111";
  readonly forwarded = "x-forwarded";
  readonly hostInKey = true;
  readonly acceptEncoding = null;
  readonly wholeBodies = false;
  readonly simpleTags = false;
  readonly cors = "pass";
  readonly responseFields: Readonly<Fields> = [];
  readonly dropFields: ReadonlySet<string> = new Set();
  readonly ignoreVary: ReadonlySet<string> = new Set();
  /** Any answer but a server's error will do: most services have something, if only a 404, at their root. */
  readonly check: DefaultCheck = { method: "HEAD", target: "/", fields: [], status: [[200, 499], [501, 501]] };
  readonly #content: ContentRule;

  constructor(options: TypeOptions) {
    this.#content = new ContentRule(options.contentTypes ?? { allow: [], deny: [] });
  }

  classify(request: TypedRequest): RequestClass {
    return request.method === "GET" || request.method === "HEAD" ? ANY : UNSHARED;
  }

  keyTarget(request: TypedRequest): string {
    return request.query === "" ? request.path : `${request.path}?${request.query}`;
  }

  /** Nothing is known of it: the origin tags its responses itself. */
  tags(): readonly string[] {
    return [];
  }

  upstreamPath(path: string): string {
    return path;
  }

  outgoing(request: TypedRequest): Outgoing {
    return { query: request.query, set: [], credential: null };
  }

  judge({ status, fields }: ResponseHead, _credential: number | null, from?: AnswerSource): Judgement {
    if (status === 429) return "limited";
    const mediaType = mediaTypeOf(fieldValue(fields, "content-type"));
    if (this.#content.isWrong(status, mediaType) && hasContent(status, fieldValue(fields, "content-length"))) {
      return from?.asksFor(mediaType) === true ? "unsuitable" : "wrong_content";
    }
    return status >= 500 ? "failed" : "ok";
  }

  verifies(mediaType: string): boolean {
    return this.#content.verifies(mediaType);
  }

  error(error: GatewayError, requestId: string): ErrorBody {
    return problemDetails(error, requestId);
  }
}
