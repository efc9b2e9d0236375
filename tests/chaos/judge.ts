import { brotliDecompressSync, gunzipSync } from "node:zlib";
import type { Got } from "./client.ts";
import type { Planned } from "./plan.ts";
import { type Asked, bodyOf, POOL_OF, type Resource, tagOf, versionAt } from "./resources.ts";
import type { Excuse, Timeline } from "./timeline.ts";

/** What a response is worth: right, lost by a fault that excuses it, or wrong. */
export type Verdict =
  | { readonly is: "right"; readonly what: string }
  | { readonly is: "lost"; readonly what: Excuse; readonly fault: string }
  | { readonly is: "wrong"; readonly what: WrongKind; readonly detail: string };

/** What can be wrong with a response. */
export type WrongKind =
  | "no answer"
  | "breaks off"
  | "hangs"
  | "malformed"
  | "status"
  | "let in without a token"
  | "shared by caches in front"
  | "private answer to another"
  | "content"
  | "range"
  | "condition"
  | "age"
  | "too old"
  | "served after its removal";

/** What clocks and queues of a busy machine are allowed to add. */
const SLACK_MS = 2_500;
/** Where this process is late the others are so too, and there are several in a row. */
const LATE_PROCESSES = 5;
/** An age counts the wait for the response's head too (RFC 9111 §4.2.3). */
const SLOWEST_HEAD_MS = 6_000;

/** Compares what came with the only right answer. */
export function judge(planned: Planned, got: Got, timeline: Timeline): Verdict {
  const pool = POOL_OF[planned.asked.resource.listener];
  const span = [got.sentMs, got.endedMs] as const;
  const excused = (what: Excuse, otherwise: WrongKind, detail = ""): Verdict => {
    const fault = timeline.excuse(what, pool, span);
    return fault === null ? wrong(otherwise, detail) : { is: "lost", what, fault };
  };
  if (got.malformed !== null) return wrong("malformed", got.malformed);
  if (got.loss === "unanswered") return excused("unanswered", "no answer");
  if (got.loss === "late") return excused("late", "hangs");
  if (isTokenTry(planned)) {
    return got.status === 401 ? right("refused") : wrong("let in without a token", String(got.status));
  }
  if (got.status >= 500 && got.status < 600) {
    const what = isSentOnce(planned) && timeline.excuse("error", pool, span) === null ? "unsafe-error" : "error";
    return excused(what, "status", `${got.status} ${textOf(got.body)}`);
  }
  if (planned.kind === "post") return got.status === 200 ? right("unsafe") : wrong("status", String(got.status));
  const problem = problemOf(planned, got, timeline);
  if (problem !== null) return problem;
  if (got.loss !== "cut") return right(/; hit/.test(fieldOf(got, "cache-status")) ? "hit" : "fetched");
  return planned.kind === "abort" ? right("left early") : excused("cut", "breaks off", `${got.body.length} bytes`);
}

function right(what: string): Verdict {
  return { is: "right", what };
}

function wrong(what: WrongKind, detail: string): Verdict {
  return { is: "wrong", what, detail };
}

/** What may change something goes out once, and so does what is a user's at TMDB: no other upstream is asked. */
function isSentOnce({ kind, asked: { resource } }: Planned): boolean {
  return kind === "post" || resource.listener === "api" && resource.isPrivate;
}

function isTokenTry({ kind }: Planned): boolean {
  return kind === "without-token" || kind === "wrong-token";
}

function fieldOf(got: Got, name: string): string {
  return got.fields.filter((field) => field[0] === name).map(([, value]) => value).join(", ");
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes.subarray(0, 200));
}

function problemOf(planned: Planned, got: Got, timeline: Timeline): Verdict | null {
  const { asked, range, tag } = planned;
  const { resource } = asked;
  const allowed = range !== null ? [200, 206] : tag !== null ? [200, 304] : [200];
  if (!allowed.includes(got.status)) return wrong("status", `${got.status} ${textOf(got.body)}`);
  if (resource.listener === "closed" && /public|s-maxage/.test(fieldOf(got, "cache-control"))) {
    return wrong("shared by caches in front", fieldOf(got, "cache-control"));
  }
  const made = fieldOf(got, "x-made");
  if (got.status === 304) {
    if (fieldOf(got, "etag").replace(/^W\//, "") !== tag?.replace(/^W\//, "")) {
      return wrong("condition", `${tag} ${fieldOf(got, "etag")}`);
    }
    if (made === "") return null;
  } else if (!/^\d+$/.test(made)) return wrong("content", `x-made: ${made}`);
  const madeMs = Number(made);
  return (got.status === 304 ? null : contentProblem(planned, got, versionAt(resource, madeMs))) ??
    timeProblem(resource, madeMs, got, timeline);
}

function contentProblem(planned: Planned, got: Got, version: number): Verdict | null {
  const { asked, kind } = planned;
  if (kind === "head") return null;
  const decoded = decode(got);
  if (decoded === null) return got.loss === "cut" ? null : wrong("content", `cannot be decoded`);
  const whole = bodyOf(asked, version);
  const expected = got.status === 206 ? slice(got, planned.range!, whole) : whole;
  if (expected === null) return wrong("range", fieldOf(got, "content-range"));
  const isShort = got.loss === "cut" || kind === "abort";
  const due = isShort ? expected.subarray(0, decoded.length) : expected;
  if (isSame(decoded, due)) return null;
  const about = textOf(decoded);
  const other = /\|(user\d+)\|/.exec(about)?.[1];
  if (other !== undefined && other !== asked.user) return wrong("private answer to another", `${asked.user}: ${about}`);
  return wrong("content", `${decoded.length} bytes, ${textOf(due).slice(0, 60)} is due: ${about}`);
}

function decode(got: Got): Uint8Array | null {
  const coding = fieldOf(got, "content-encoding");
  if (coding === "") return got.body;
  try {
    return coding === "gzip" ? gunzipSync(got.body) : coding === "br" ? brotliDecompressSync(got.body) : null;
  } catch {
    return null;
  }
}

function slice(got: Got, [from, to]: readonly [number, number], whole: Uint8Array): Uint8Array | null {
  const last = Math.min(to, whole.length - 1);
  if (fieldOf(got, "content-range") !== `bytes ${from}-${last}/${whole.length}`) return null;
  return whole.subarray(from, last + 1);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

function timeProblem(resource: Resource, madeMs: number, got: Got, timeline: Timeline): Verdict | null {
  const pool = POOL_OF[resource.listener];
  const { freshMs, whileMs, errorMs } = resource.promise;
  const oldMs = got.sentMs - madeMs;
  const from = fieldOf(got, "cache-status");
  if (madeMs > got.endedMs + 50) return wrong("too old", `made ${madeMs - got.endedMs} ms in the future`);
  if (madeMs < timeline.removedMs(resource, got.sentMs) - 50) {
    return wrong(
      "served after its removal",
      `made ${timeline.removedMs(resource, got.sentMs) - madeMs} ms before, ${from}`,
    );
  }
  const mayBeStale = timeline.excuse("stale", pool, [got.sentMs, got.endedMs]) !== null;
  const slackMs = SLACK_MS + LATE_PROCESSES * timeline.lagMs;
  const allowedMs = freshMs + Math.max(whileMs, mayBeStale ? errorMs : 0) + slackMs + timeline.youngerMs(madeMs);
  if (oldMs > allowedMs) return wrong("too old", `${oldMs} ms old, ${allowedMs} ms allowed, ${from}`);
  const isSkewed = timeline.excuse("skewed", pool, [madeMs - SLACK_MS, got.endedMs]) !== null;
  return isSkewed ? null : ageProblem(madeMs, got, slackMs);
}

function ageProblem(madeMs: number, got: Got, slackMs: number): Verdict | null {
  const age = fieldOf(got, "age");
  if (age === "") return null;
  if (!/^\d{1,10}$/.test(age) || Number(age) > 2 ** 31) return wrong("age", age);
  const ageMs = Number(age) * 1000;
  const tooYoung = ageMs < got.sentMs - madeMs - slackMs - 1_000;
  const tooOld = ageMs > got.headMs - madeMs + slackMs + SLOWEST_HEAD_MS;
  return tooYoung || tooOld ? wrong("age", `${age} s, made ${got.headMs - madeMs} ms before`) : null;
}

/** The tag that a client keeps of a response; `null` where it has none. */
export function keptTag(asked: Asked, got: Got): string | null {
  const tag = fieldOf(got, "etag");
  const made = Number(fieldOf(got, "x-made"));
  return got.status === 200 && tag === `"${tagOf(asked, versionAt(asked.resource, made))}"` ? tag : null;
}
