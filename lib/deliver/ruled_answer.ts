import { speaksToCaches } from "../field_rights.ts";
import { responseDirectives } from "../http/cache_control.ts";
import { changedFields, type FieldChange, isResponseFieldSpared } from "../http/field_changes.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import type { Answer, MadeAnswer } from "../request/answer.ts";
import type { CacheNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import { forOneClient, withVary } from "./sent_fields.ts";

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
