import type { Path } from "./located.ts";
import type { DraftValues } from "./schema.ts";
import type { ValidationContext } from "./validation_context.ts";

/** The type whose documents hold addresses of images, and the type that serves those. */
const DOCUMENTS = "tmdb-api";
const IMAGES = "tmdb-image";

type DraftListener = DraftValues["listeners"][number];

/** The type of a listener's pool; `undefined` where a mistake of its own hides it. */
function typeOf(listener: DraftListener, { values }: ValidationContext): string | undefined {
  return listener.pool === undefined || !Object.hasOwn(values.pools, listener.pool)
    ? undefined
    : values.pools[listener.pool]?.type;
}

/** A `rewrite_image_base` that somebody wrote must be able to do something. */
function validateImageBase(listener: DraftListener, path: Path, context: ValidationContext): void {
  const { problems, values } = context;
  const at = [...path, "rewrite_image_base"];
  const type = typeOf(listener, context);
  const isGiven = problems.given(at).length === at.length && !problems.has(at);
  if (!isGiven || type === undefined || listener.rewrite_image_base === false) return;
  if (type !== DOCUMENTS) {
    problems.add(at, `found rewrite_image_base expected none on a pool of type ${type}`, { atKey: true });
    return;
  }
  const types = values.listeners.map((other) => typeOf(other, context));
  if (listener.rewrite_image_base !== true || types.includes(IMAGES) || types.includes(undefined)) return;
  problems.expect(at, `false, the URL of images, or a listener with a pool of type ${IMAGES}`);
}

/** An override that names nothing changes nothing. */
function warnEmpty(listener: DraftListener, path: Path, { problems, original }: ValidationContext): void {
  for (const [index, { merge }] of listener.overrides.entries()) {
    const isEmpty = typeof merge === "object" && merge !== null && !Array.isArray(merge) &&
      Object.keys(merge).length === 0;
    if (isEmpty) problems.warn([...original([...path, "overrides", index]), "merge"], "an empty patch changes nothing");
  }
}

/** Checks what listeners change in the documents that they serve. */
export function validateRewriting(context: ValidationContext): void {
  for (const [index, listener] of context.values.listeners.entries()) {
    validateImageBase(listener, context.original(["listeners", index]), context);
    warnEmpty(listener, ["listeners", index], context);
  }
}
