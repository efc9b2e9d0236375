/** Samples that are shown: of 15 minutes. */
const KEPT_SAMPLES = 180;
/** What is counted now is a rate over so long. */
const RATE_MS = 10_000;

/** Nothing is known yet. */
export const EMPTY = { status: null, samples: [], problems: null, jobs: null, role: "operate", marks: [], steps: 0 };

/** The model after an event: all that the page shows live. */
export function withEvent(model, event) {
  const { status, problems, jobs } = event;
  const isFirst = event.type === "hello";
  const mark = { atMs: performance.now(), totals: totalsOf(status) };
  const marks = isFirst && status.pid !== model.status?.pid ? [] : model.marks;
  const young = marks.filter(({ atMs }) => mark.atMs - atMs <= RATE_MS);
  return {
    status,
    samples: joined(isFirst ? [] : model.samples, isFirst ? event.history?.samples ?? [] : event.samples ?? []),
    problems: isFirst || problems === undefined ? problems ?? model.problems : merged(model.problems ?? [], problems),
    jobs: jobs ?? model.jobs,
    role: event.role ?? model.role,
    marks: [...young, mark],
    steps: model.steps + 1,
  };
}

/** An event may hold samples that came before. */
function joined(before, after) {
  const last = before.at(-1)?.at ?? "";
  return [...before, ...after.filter(({ at }) => at > last)].slice(-KEPT_SAMPLES);
}

/** The newest first; one that came again takes the place of its old self. */
function merged(before, after) {
  const key = ({ level, area, message }) => `${level} ${area} ${message}`;
  const again = new Set(after.map(key));
  return [...after, ...before.filter((problem) => !again.has(key(problem)))].slice(0, 200);
}

function totalsOf(status) {
  return Object.fromEntries(status.listeners.map(({ name, requests }) => [name, requests]));
}

/** Requests a second of a listener, or of all for `null`, over the last seconds. */
export function rateOf({ marks }, listener) {
  const first = marks[0];
  const last = marks.at(-1);
  if (first === undefined || last.atMs - first.atMs < 500) return 0;
  const total = ({ totals }) => listener === null ? sum(Object.values(totals)) : totals[listener] ?? 0;
  return Math.max(0, (total(last) - total(first)) / (last.atMs - first.atMs) * 1000);
}

/** The sum of numbers. */
export function sum(values) {
  return values.reduce((total, value) => total + (value ?? 0), 0);
}
