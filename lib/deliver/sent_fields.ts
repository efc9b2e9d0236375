import { withVary } from "../http/vary.ts";
import { speaksToCaches, speaksToSharedCaches } from "../field_rights.ts";
import type { Tenant } from "../request/snapshot.ts";
import { responseDirectives } from "../http/cache_control.ts";
import { type Field, type Fields, fieldValue } from "../http/fields.ts";
import { splitList } from "../http/list.ts";
import { changedFields, type FieldChange, isResponseFieldSpared } from "../http/field_changes.ts";
import type { Answer, MadeAnswer } from "../request/answer.ts";
import type { CacheNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { ResponseChange } from "../request/ruling.ts";
import { fieldLines, writeLatin1 } from "../wire/head_writer.ts";

/** Directives of `Cache-Control` that speak to shared caches (RFC 9111 §5.2.2). */
const SHARED_DIRECTIVE = /^(?:public|private|s-maxage|proxy-revalidate)(?:\s*=|$)/i;
const MAX_DIRECTIVES = 64;

/** A request, as far as what is sent depends on it. */
export interface SentTo {
  readonly tenant: Pick<Tenant, "cors" | "auth" | "wayBack">;
  readonly authority: string;
  /** What stood before its path, such as `/~TOKEN`: what leads back to the listener leads through it. */
  readonly keyPrefix: string;
}

/**
 * A response's fields as this listener sends them, whatever it was stored by: leading back to it where it takes its prefix off; where the
 * gateway speaks for itself, without what the upstream says of pages; where the listener is closed, for no cache that others share.
 */
export function sentFields({ tenant, authority, keyPrefix }: SentTo, fields: Fields): Fields {
  const { cors, auth, wayBack } = tenant;
  let sent = wayBack === null ? fields : wayBack.fields(fields, { authority, keyPrefix });
  if (cors !== null) {
    sent = sent.filter(([name]) => !name.startsWith("access-control-"));
    if (cors.isByOrigin) sent = withVary(sent, "Origin");
  }
  return auth === null || auth.sharedCaches ? sent : forOneClient(sent);
}

/**
 * A cache in front asks nobody for a token, and one in a URL or a field of its own does not keep it from storing (RFC 9111 §3.5 is
 * about `Authorization` alone): so it is told not to. What a client's own cache may do stays as it is.
 */
function forOneClient(fields: Fields): Fields {
  const others = fields.filter(([name]) => name !== "cache-control" && !speaksToSharedCaches(name));
  const said = fields.filter(([name]) => name === "cache-control").map(([, value]) => value).join(", ");
  if (said !== "" && responseDirectives(said).noStore) return [...others, ["cache-control", said]];
  const kept = splitList(said, MAX_DIRECTIVES).filter((directive) => !SHARED_DIRECTIVE.test(directive));
  return [...others, ["cache-control", ["private", ...kept].join(", ")] as Field];
}

/** Fields of a replaced body, beside those that begin with `content-`. */
const OF_BODY: ReadonlySet<string> = new Set([
  "accept-ranges",
  "digest",
  "etag",
  "last-modified",
  "repr-digest",
  "signature",
]);

/** Puts the body that a rule has for an error in the place of its own, an upstream's or the gateway's. */
export function replaceError(exchange: Exchange, answer: Answer): Answer {
  const errors = exchange.ruling?.response?.errors;
  if (errors === undefined || errors.length === 0) return answer;
  const status = statusOf(answer);
  const page = status < 400 ? undefined : errors.find(({ status: [from, to] }) => status >= from && status <= to);
  if (page === undefined) return answer;
  giveUp(answer);
  const made: MadeAnswer = answer.kind === "made"
    ? answer
    : { kind: "made", note: answer.note, status, fields: fieldsOf(answer), body: null };
  const fields = made.fields.filter(([name]) => !OF_BODY.has(name) && !name.startsWith("content-"));
  return {
    ...made,
    fields: [...fields, ["content-type", page.contentType]],
    body: new TextEncoder().encode(page.body),
  };
}

function statusOf(answer: Answer): number {
  if (answer.kind === "stored") return answer.response.status;
  return answer.kind === "filling" ? answer.head.status : answer.status;
}

function fieldsOf(answer: Exclude<Answer, MadeAnswer>): Fields {
  if (answer.kind === "streaming") return answer.fields;
  return [...(answer.kind === "stored" ? answer.response : answer.head).fields];
}

/** Lets go of a body that is not sent. What is being stored goes on. */
function giveUp(answer: Answer): void {
  if (answer.kind === "streaming") answer.onLeave();
  if (answer.kind !== "filling") return;
  answer.fill.reader();
  answer.fill.leave();
}

/**
 * A response's fields as the rules of its listener change them. What tells caches to keep it counts only where others get the same
 * response anyway: no rule gives one client's answer to another.
 */
export function ruledFields(exchange: Exchange, fields: Fields, note: CacheNote): Fields {
  const { ruling, tenant: { rules } } = exchange;
  const changes = ruling === null || ruling.response === null ? [] : ruling.response.fields;
  const changed = changes.length === 0 ? fields : changedBy(changes, fields, note);
  // A cache in front asks no rules: it has to keep apart what they do.
  return rules === null ? changed : rules.variesBy(exchange.asSent).reduce(withVary, changed);
}

function changedBy(changes: readonly FieldChange[], fields: Fields, note: CacheNote): Fields {
  const { noStore, private: isPrivate, maxAgeSeconds } = responseDirectives(fieldValue(fields, "cache-control"));
  const isShared = note.isShared === true && !noStore && isPrivate === false &&
    !fields.some(([name]) => name === "set-cookie");
  if (isShared) return changedFields(fields, changes, isResponseFieldSpared);
  // No lifetime is made up either where there is none: what was purged goes out with none.
  const others = changes.filter(({ name }) => !speaksToCaches(name));
  const changed = changedFields(fields, others, (name) => isResponseFieldSpared(name) || speaksToCaches(name));
  const said = changes.findLast(({ kind, name }) => kind === "set" && name === "cache-control");
  if (said === undefined || said.kind === "remove" || noStore || maxAgeSeconds === 0) return changed;
  return forOneClient([...changed.filter(([name]) => !speaksToCaches(name)), ["cache-control", said.value]]);
}

/** The field lines of a stored response that are the same for every request of one listener, ready to be written. */
export interface FixedLines {
  readonly tenant: Tenant;
  /** What rules change in them; `null` for nothing. */
  readonly change: ResponseChange | null;
  /** What the client puts before paths and calls the gateway, where fields lead back to it; else empty. */
  readonly ledTo: string;
  readonly bytes: Uint8Array;
  readonly hasDate: boolean;
}

const known = new WeakMap<StoredResponse, FixedLines>();

/** The fixed lines of a stored response, worked out once for each listener that serves it and what its rules say of the request. */
export function fixedLines(stored: StoredResponse, exchange: Exchange, note: CacheNote): FixedLines {
  const { tenant } = exchange;
  const change = exchange.ruling === null ? null : exchange.ruling.response;
  const ledTo = tenant.wayBack === null ? "" : `${exchange.keyPrefix} ${exchange.authority}`;
  const before = known.get(stored);
  if (before !== undefined && before.tenant === tenant && before.change === change && before.ledTo === ledTo) {
    return before;
  }
  const given = stored.fields.filter(([name]) => name !== "content-length");
  const fields = sentFields(exchange, ruledFields(exchange, given, note));
  const hasDate = fields.some(([name]) => name === "date");
  const isAsStored = fields === given && tenant.responseFields.length === 0;
  const made = { tenant, change, ledTo, bytes: isAsStored ? stored.head : encoded(fields, tenant), hasDate };
  known.set(stored, made);
  return made;
}

function encoded(fields: Fields, tenant: Tenant): Uint8Array {
  const text = fieldLines(fields) + fieldLines(tenant.responseFields);
  const bytes = new Uint8Array(text.length);
  writeLatin1(text, bytes, 0);
  return bytes;
}
