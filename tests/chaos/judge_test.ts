import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { Field } from "../../lib/http/fields.ts";
import type { Got } from "./client.ts";
import { judge } from "./judge.ts";
import type { Planned } from "./plan.ts";
import { bodyOf, type ListenerName, resource, tagOf, versionAt } from "./resources.ts";
import { Timeline } from "./timeline.ts";

const NOW_MS = Date.now();

/** A resource of a listener with these properties. */
function found(listener: ListenerName, is: (one: ReturnType<typeof resource>) => boolean) {
  for (let index = 0;; index++) if (is(resource(listener, index))) return resource(listener, index);
}

const PLAIN = found(
  "site",
  ({ control, periodMs, vary }) => control === "max-age=3" && periodMs === 700 && vary === null,
);

function planned(more: Partial<Planned> = {}): Planned {
  const asked = { resource: PLAIN, variant: "", user: "" };
  return { kind: "get", asked, range: null, tag: null, coding: null, sending: { text: "", isHead: false }, ...more };
}

interface Answered {
  readonly madeMs?: number;
  readonly status?: number;
  readonly body?: Uint8Array;
  readonly fields?: readonly Field[];
  readonly loss?: Got["loss"];
  readonly malformed?: string;
}

/** The right answer to what was planned, but for what is said. */
function got({ asked }: Planned, answered: Answered = {}): Got {
  const madeMs = answered.madeMs ?? NOW_MS - 500;
  const own: Field[] = [["x-made", String(madeMs)], ["age", String(Math.floor((NOW_MS - madeMs) / 1000))]];
  const fields = [
    ...own.filter(([name]) => !answered.fields?.some(([other]) => other === name)),
    ...answered.fields ?? [],
  ];
  return {
    sentMs: NOW_MS,
    headMs: NOW_MS + 5,
    endedMs: NOW_MS + 9,
    status: answered.status ?? 200,
    fields,
    body: answered.body ?? bodyOf(asked, versionAt(asked.resource, madeMs)),
    loss: answered.loss ?? null,
    malformed: answered.malformed ?? null,
  };
}

/** In a word, what an answer is found to be. */
function verdictOn(plan: Planned, answered: Answered, timeline = new Timeline()): string {
  const verdict = judge(plan, got(plan, answered), timeline);
  return verdict.is === "wrong" ? `wrong: ${verdict.what}` : verdict.is;
}

Deno.test("judge() finds the right answer right, and each that is not wrong", () => {
  const body = bodyOf(planned().asked, versionAt(PLAIN, NOW_MS - 500));
  const older = bodyOf(planned().asked, versionAt(PLAIN, NOW_MS - 500) - 1);
  const cases: [answered: Answered, verdict: string][] = [
    [{}, "right"],
    [{ body: older }, "wrong: content"],
    [{ body: body.subarray(0, -1) }, "wrong: content"],
    [{ fields: [["x-made", ""]] }, "wrong: content"],
    [{ madeMs: NOW_MS - 9_000 }, "wrong: too old"],
    [{ madeMs: NOW_MS + 900, fields: [["age", "0"]] }, "wrong: too old"],
    [{ fields: [["age", "60"]] }, "wrong: age"],
    [{ fields: [["age", "-1"]] }, "wrong: age"],
    [{ status: 404 }, "wrong: status"],
    [{ status: 503 }, "wrong: status"],
    [{ loss: "unanswered" }, "wrong: no answer"],
    [{ loss: "cut", body: body.subarray(0, 50) }, "wrong: breaks off"],
    [{ loss: "cut", body: older.subarray(0, 50) }, "wrong: content"],
    [{ loss: "late" }, "wrong: hangs"],
    [{ malformed: "chunk zz" }, "wrong: malformed"],
  ];
  for (const [answered, verdict] of cases) {
    assert.equal(verdictOn(planned(), answered), verdict, JSON.stringify({ ...answered, body: answered.body?.length }));
  }
});

Deno.test("judge() excuses what a fault may do to a request while it lasts, at its pool, and nothing else", () => {
  const timeline = new Timeline();
  const close = timeline.open({ fault: "f", excuses: ["unanswered", "error"], pools: ["custom"], sinceMs: 60_000 }, 0);
  assert.equal(verdictOn(planned(), { loss: "unanswered" }, timeline), "lost");
  assert.equal(verdictOn(planned(), { status: 502 }, timeline), "lost");
  assert.equal(verdictOn(planned(), { status: 404 }, timeline), "wrong: status");
  assert.equal(verdictOn(planned(), { madeMs: NOW_MS - 9_000 }, timeline), "wrong: too old");
  const api = planned({ asked: { resource: resource("api", 0), variant: "", user: "" } });
  assert.equal(verdictOn(api, { status: 502 }, timeline), "wrong: status");
  close();
  timeline.windows[0]!.toMs = NOW_MS - 1;
  assert.equal(verdictOn(planned(), { loss: "unanswered" }, timeline), "wrong: no answer");
});

Deno.test("judge() finds an answer of another user, and one without a token", () => {
  const asked = { resource: found("users", ({ isPrivate }) => isPrivate), variant: "", user: "user1" };
  const plan = planned({ asked });
  const body = bodyOf({ ...asked, user: "user2" }, versionAt(asked.resource, NOW_MS - 500));
  assert.equal(verdictOn(plan, {}), "right");
  assert.equal(verdictOn(plan, { body }), "wrong: private answer to another");
  const closed = { asked: { resource: resource("closed", 0), variant: "", user: "" } };
  assert.equal(verdictOn(planned({ ...closed, kind: "without-token" }), { status: 401 }), "right");
  assert.equal(verdictOn(planned({ ...closed, kind: "wrong-token" }), {}), "wrong: let in without a token");
  const shared: Field = ["cache-control", "public, max-age=3"];
  assert.equal(verdictOn(planned(closed), { fields: [shared] }), "wrong: shared by caches in front");
});

Deno.test("judge() knows ranges, conditions and codings", () => {
  const whole = bodyOf(planned().asked, versionAt(PLAIN, NOW_MS - 500));
  const part = planned({ kind: "range", range: [10, 19] });
  const range: Field = ["content-range", `bytes 10-19/${whole.length}`];
  assert.equal(verdictOn(part, { status: 206, body: whole.subarray(10, 20), fields: [range] }), "right");
  assert.equal(verdictOn(part, { status: 206, body: whole.subarray(11, 21), fields: [range] }), "wrong: content");
  assert.equal(verdictOn(part, { status: 206, body: whole.subarray(10, 20) }), "wrong: range");
  const tag = `"${tagOf(planned().asked, 1)}"`;
  const condition = planned({ kind: "condition", tag });
  assert.equal(verdictOn(condition, { status: 304, fields: [["etag", tag]] }), "right");
  assert.equal(verdictOn(condition, { status: 304, fields: [["etag", '"other"']] }), "wrong: condition");
  const gzip: Field = ["content-encoding", "gzip"];
  assert.equal(verdictOn(planned(), { body: gzipSync(whole), fields: [gzip] }), "right");
  assert.equal(verdictOn(planned(), { body: whole, fields: [gzip] }), "wrong: content");
});

Deno.test("judge() finds what is served after its removal, until the process that knew of it has ended", () => {
  const timeline = new Timeline();
  const what = ({ index }: { readonly index: number }) => index === PLAIN.index;
  timeline.remove({ what, askedMs: NOW_MS - 400, answeredMs: NOW_MS - 300, isPersisted: false });
  assert.equal(verdictOn(planned(), {}, timeline), "wrong: served after its removal");
  assert.equal(verdictOn(planned(), { madeMs: NOW_MS - 200 }, timeline), "right");
  timeline.ended();
  assert.equal(verdictOn(planned(), {}, timeline), "right");
  timeline.remove({ what, askedMs: NOW_MS - 400, answeredMs: NOW_MS - 300, isPersisted: true });
  timeline.ended();
  assert.equal(verdictOn(planned(), {}, timeline), "wrong: served after its removal");
  const divided = new Timeline();
  divided.open({ fault: "upgraded", excuses: [], pools: null, sinceMs: 60_000 }, 0);
  divided.remove({ what, askedMs: NOW_MS - 400, answeredMs: NOW_MS - 300, isPersisted: true });
  assert.equal(verdictOn(planned(), {}, divided), "right");
});

Deno.test("judge() lets a response be older by what the gateway's clock was set back, and stale while upstreams fail", () => {
  const timeline = new Timeline();
  timeline.setBack(7_000);
  assert.equal(verdictOn(planned(), { madeMs: NOW_MS - 9_000 }, timeline), "right");
  const failing = new Timeline();
  failing.open({ fault: "f", excuses: ["stale"], pools: null, sinceMs: 60_000 }, 0);
  assert.equal(verdictOn(planned(), { madeMs: NOW_MS - 60_000 }, failing), "right");
  const strict = found("site", ({ control }) => control.includes("must-revalidate"));
  const plan = planned({ asked: { resource: strict, variant: "", user: "" } });
  assert.equal(verdictOn(plan, { madeMs: NOW_MS - 60_000 }, failing), "wrong: too old");
});
