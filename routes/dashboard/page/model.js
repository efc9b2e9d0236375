/** Samples that are shown: of 15 minutes. */
const KEPT_SAMPLES = 180;

/** Nothing is known yet. */
export const EMPTY = { status: null, samples: [], problems: null, jobs: null, role: "operate" };

/** The model after an event: all that the page shows live. */
export function withEvent(model, event) {
  const { status, problems, jobs } = event;
  const isFirst = event.type === "hello";
  return {
    status,
    samples: joined(isFirst ? [] : model.samples, isFirst ? event.history?.samples ?? [] : event.samples ?? []),
    problems: isFirst || problems === undefined ? problems ?? model.problems : merged(model.problems ?? [], problems),
    jobs: jobs ?? model.jobs,
    role: event.role ?? model.role,
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

/** The sum of numbers. */
export function sum(values) {
  return values.reduce((total, value) => total + (value ?? 0), 0);
}
