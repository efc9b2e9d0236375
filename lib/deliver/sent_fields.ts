import type { StoredHead, StoredResponse } from "../cache/stored_response.ts";
import { speaksToCaches, speaksToSharedCaches } from "../field_rights.ts";
import { responseDirectives } from "../http/cache_control.ts";
import { changedFields, type FieldChange, isResponseFieldSpared } from "../http/field_changes.ts";
import { type Field, type Fields, fieldValue } from "../http/fields.ts";
import { splitList } from "../http/list.ts";
import { withVary } from "../http/vary.ts";
import type { Answer, MadeAnswer } from "../request/answer.ts";
import type { CacheNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import type { ResponseChange } from "../request/ruling.ts";
import type { Tenant } from "../request/snapshot.ts";
import { fieldLines, writeLatin1 } from "../wire/head_writer.ts";

/** Directives of `Cache-Control` that speak to shared caches (RFC 9111 §5.2.2). */
const SHARED_DIRECTIVE = /^(?:public|private|s-maxage|proxy-revalidate)(?:\s*=|$)/i;
const MAX_DIRECTIVES = 64;

/** A request, as far as the sent fields depend on it. */
export interface SentTo {
  readonly tenant: Pick<Tenant, "cors" | "auth" | "wayBack">;
  readonly authority: string;
  /** Token before its path, such as `/~TOKEN`: mapped URLs contain it. */
  readonly keyPrefix: string;
}

/**
 * A response's fields as its listener sends them: URLs mapped to the listener where its prefix is stripped; without the upstream's CORS
 * fields where the listener has its own policy; `private` where the listener is closed.
 */
export function sentFields({ tenant, authority, keyPrefix }: SentTo, fields: Fields): Fields {
  const { cors, auth, wayBack } = tenant;
  let sent = wayBack === null ? fields : wayBack.fields(fields, { authority, keyPrefix });
  if (cors !== null) {
    sent = sent.filter(([name]) => !name.startsWith("access-control-"));
    if (cors.isByOrigin) sent = withVary(sent, "Origin");
  }
  return auth === null || auth.sharedCaches ? sent : withPrivate(sent);
}

/**
 * Fields with `Cache-Control: private`. A shared cache in front would serve a closed listener's responses without a token, since only
 * `Authorization` keeps it from storing (RFC 9111 §3.5). Directives for the client's own cache stay.
 */
function withPrivate(fields: Fields): Fields {
  const others = fields.filter(([name]) => name !== "cache-control" && !speaksToSharedCaches(name));
  const said = fieldValue(fields, "cache-control") ?? "";
  if (said !== "" && responseDirectives(said).noStore) return [...others, ["cache-control", said]];
  const kept = splitList(said, MAX_DIRECTIVES).filter((directive) => !SHARED_DIRECTIVE.test(directive));
  return [...others, ["cache-control", ["private", ...kept].join(", ")] as Field];
}

/** Fields that describe a replaced body, beside those that begin with `content-`. */
const OF_BODY: ReadonlySet<string> = new Set([
  "accept-ranges",
  "digest",
  "etag",
  "last-modified",
  "repr-digest",
  "signature",
]);

/** Replaces the body of an error, an upstream's or the gateway's, with the one that a rule has for it. */
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

/** Gives up a body that is not sent; one that is being stored is stored all the same. */
function giveUp(answer: Answer): void {
  if (answer.kind === "streaming") answer.onLeave();
  if (answer.kind !== "filling") return;
  answer.fill.reader();
  answer.fill.leave();
}

/**
 * A response's fields with the changes of its listener's rules. Changes of what caches are told apply only to shared responses: no rule
 * makes one client's response a shared one.
 */
export function ruledFields(exchange: Exchange, fields: Fields, note: CacheNote): Fields {
  const { ruling, tenant: { rules } } = exchange;
  const changes = ruling === null || ruling.response === null ? [] : ruling.response.fields;
  const changed = changes.length === 0 ? fields : changedBy(changes, fields, note);
  // Caches in front must distinguish the requests that rules distinguish.
  return rules === null ? changed : rules.variesBy(exchange.asSent).reduce(withVary, changed);
}

function changedBy(changes: readonly FieldChange[], fields: Fields, note: CacheNote): Fields {
  const { noStore, private: isPrivate, maxAgeSeconds } = responseDirectives(fieldValue(fields, "cache-control"));
  const isShared = note.isShared === true && !noStore && isPrivate === false &&
    !fields.some(([name]) => name === "set-cookie");
  if (isShared) return changedFields(fields, changes, isResponseFieldSpared);
  // A response without a lifetime gets none from rules: it may have been purged.
  const others = changes.filter(({ name }) => !speaksToCaches(name));
  const changed = changedFields(fields, others, (name) => isResponseFieldSpared(name) || speaksToCaches(name));
  const said = changes.findLast(({ kind, name }) => kind === "set" && name === "cache-control");
  if (said === undefined || said.kind === "remove" || noStore || maxAgeSeconds === 0) return changed;
  return withPrivate([...changed.filter(([name]) => !speaksToCaches(name)), ["cache-control", said.value]]);
}

/** The field lines of a stored response that are the same for every request of one listener, ready to be written. */
export interface FixedLines {
  readonly tenant: Tenant;
  /** Changes of rules; `null` for none. */
  readonly change: ResponseChange | null;
  /** The client's token before paths and authority, where URLs are mapped to the listener; else empty. */
  readonly mappedTo: string;
  readonly bytes: Uint8Array;
  readonly hasDate: boolean;
}

const known = new WeakMap<StoredResponse, FixedLines>();

/** The fixed lines of a stored response, made once for each listener that serves it and each ruling. */
export function fixedLines(stored: StoredResponse, exchange: Exchange, note: CacheNote): FixedLines {
  const { tenant } = exchange;
  const change = exchange.ruling === null ? null : exchange.ruling.response;
  const mappedTo = tenant.wayBack === null ? "" : `${exchange.keyPrefix} ${exchange.authority}`;
  const before = known.get(stored);
  if (before !== undefined && before.tenant === tenant && before.change === change && before.mappedTo === mappedTo) {
    return before;
  }
  const given = stored.fields.filter(([name]) => name !== "content-length");
  const fields = sentFields(exchange, ruledFields(exchange, given, note));
  const hasDate = fields.some(([name]) => name === "date");
  const isAsStored = fields === given && tenant.responseFields.length === 0;
  const made = { tenant, change, mappedTo, bytes: isAsStored ? stored.head : encoded(fields, tenant), hasDate };
  known.set(stored, made);
  return made;
}

function encoded(fields: Fields, tenant: Tenant): Uint8Array {
  const text = fieldLines(fields) + fieldLines(tenant.responseFields);
  const bytes = new Uint8Array(text.length);
  writeLatin1(text, bytes, 0);
  return bytes;
}

/** Directives that let a cache use a response without validation (RFC 9111 §5.2.2, RFC 5861, RFC 8246). */
const LIFETIME_DIRECTIVE = /^(?:max-age|s-maxage|stale-while-revalidate|stale-if-error|immutable)(?:\s*=|$)/i;

/** `max-age=0` in place of every lifetime: a purged response is stale for caches behind this one, too. */
function withoutLifetime(fields: Fields): Fields {
  const kept = fields.filter(([name]) => !speaksToCaches(name));
  const directives = splitList(fieldValue(fields, "cache-control") ?? "", MAX_DIRECTIVES)
    .filter((directive) => !LIFETIME_DIRECTIVE.test(directive));
  kept.push(["cache-control", [...directives, "max-age=0"].join(", ")]);
  return kept;
}

/** Purged responses as they are sent, each made once. */
const ended = new WeakMap<StoredHead, StoredResponse>();

/** Removes the lifetime of a stored response that was purged and is served stale. */
export function endLifetime(_: Exchange, answer: Answer): Answer {
  if (answer.kind === "filling" && answer.head.isPurged) {
    return { ...answer, head: answer.head.with({ fields: withoutLifetime(answer.head.fields) }) };
  }
  if (answer.kind !== "stored" || !answer.response.isPurged) return answer;
  let response = ended.get(answer.response);
  if (response === undefined) {
    response = answer.response.with({ fields: withoutLifetime(answer.response.fields) });
    ended.set(answer.response, response);
  }
  return { ...answer, response };
}
