import { bodyStream } from "../request/body_stream.ts";
import type { CacheNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import { type Answer, asFailure } from "../forward/forward.ts";
import type { Fields } from "../http/fields.ts";
import { pictureFields } from "../deliver/image_form.ts";
import { clientFields, respondStreaming } from "../deliver/respond.ts";
import { plainCacheControl } from "../deliver/sent_cache_control.ts";
import { withSimpleTag } from "../deliver/simple_tag.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";

/** How an answer is passed on. */
export interface DirectOptions {
  readonly note: CacheNote;
  /** In place of the answer's own fields. */
  readonly fields?: Fields;
  /** Reads the body in place of the answer's own `read`. */
  readonly read?: () => Promise<Uint8Array | null>;
  /** The body has ended or, with a failure, broken off. */
  readonly onEnd?: (failure?: UpstreamFailure) => void;
  /** The client has left; without this the body is given up. */
  readonly onLeave?: () => void;
}

/** Passes an upstream's answer on to the client as it comes in, with back-pressure. */
export function respondDirect(exchange: Exchange, answer: Answer, options: DirectOptions): Response {
  const { response, release } = answer;
  const ended = (failure?: UpstreamFailure) => {
    release(failure);
    options.onEnd?.(failure);
  };
  const giveUp = () => {
    response.body.cancel();
    ended(new UpstreamFailure("aborted", "The client has left", true));
  };
  const fields = options.fields === undefined
    ? directFields(exchange, answer, options.note)
    : ownersFields(exchange, options.fields);
  const head = { status: response.status, fields };
  return respondStreaming(exchange, head, {
    note: options.note,
    body: {
      // A response without content is complete with its fields.
      cancel: () => (response.body.cancel(), ended()),
      stream: (onEnd) =>
        bodyStream(options.read ?? (() => response.body.read()), (end) => {
          onEnd(end);
          if (end.aborted) return options.onLeave === undefined ? giveUp() : options.onLeave();
          ended(end.error === null ? undefined : asFailure(end.error));
        }),
    },
  });
}

/** Fields of an answer that is passed on, as its client gets them. */
export function directFields(exchange: Exchange, { response }: Answer, note: CacheNote): Fields {
  const given = clientFields(exchange, response.fields);
  const fields = exchange.tenant.type.simpleTags ? plainCacheControl(withSimpleTag(given, response.fields)) : given;
  return ownersFields(exchange, note.ageSeconds === null ? fields : fields.filter(([name]) => name !== "age"));
}

/**
 * Fields of an answer to one user: where the gateway decides what is cached, it also tells the caches behind it to keep their hands
 * off (TMDB marks even a user's own data `public`).
 */
function ownersFields(exchange: Exchange, fields: Fields): Fields {
  const { type, images } = exchange.tenant;
  if (exchange.private === null || type.cacheMode !== "ttl") return pictureFields(fields, images);
  const kept = fields.filter(([name]) => name !== "cache-control" && name !== "expires");
  return [...kept, ["cache-control", "private, no-store"]];
}
