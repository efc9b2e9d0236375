import type { Path } from "./yaml/located.ts";
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

/** Whether a glob can match a path that a listener passes on as it stands. */
export function isReachable(glob: string, prefix: string): boolean {
  const [literal = ""] = glob.split("*");
  const isWhole = literal === glob;
  if (prefix === "/" || literal.startsWith(`${prefix}/`) || literal === prefix) return true;
  return !isWhole && prefix.startsWith(literal);
}

/** Overrides that never change anything: they name nothing, or no path that there is. */
function warnIdle(listener: DraftListener, path: Path, { problems, original }: ValidationContext): void {
  for (const [index, { path: glob, merge }] of listener.overrides.entries()) {
    const at = original([...path, "overrides", index]);
    const isObject = typeof merge === "object" && merge !== null && !Array.isArray(merge);
    if (isObject && Object.keys(merge).length === 0) problems.warn([...at, "merge"], "an empty patch changes nothing");
    if (!listener.strip_prefix && !isReachable(glob, listener.prefix)) {
      problems.warn([...at, "path"], `it matches no path of this listener: they begin with ${listener.prefix}`);
    }
  }
}

/** Checks what listeners change in the documents that they serve. */
export function validateRewriting(context: ValidationContext): void {
  for (const [index, listener] of context.values.listeners.entries()) {
    validateImageBase(listener, context.original(["listeners", index]), context);
    warnIdle(listener, ["listeners", index], context);
  }
}
