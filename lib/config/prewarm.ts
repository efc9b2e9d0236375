import { resolve } from "node:path";
import type { z } from "zod";
import { CLIENT_NAMES } from "../clients/client_requests.ts";
import { filePath } from "./http_scalars.ts";
import type { ListenerContext } from "./listener_context.ts";
import type { Problems } from "./yaml/problems.ts";
import { choice, duration, flag, integer, name, text } from "./yaml/scalars.ts";
import { asMapping, distinct, type Frozen, list, oneOrMany, section } from "./yaml/section.ts";
import { SECOND, YEAR } from "./yaml/units.ts";

const target = text({
  title: "path",
  pattern: /^(?:\/|[Hh][Tt][Tt][Pp][Ss]?:\/\/)[^\s#\p{Cc}]*$/u,
  maxLength: 8192,
  expected: "a path that begins with / or a URL",
});

const prewarmSection = section({
  paths: list(target, 10_000).prefault([]).describe(
    "Paths as clients send them, or URLs where the host is part of the cache key (type `custom`).",
  ),
  file: filePath().optional().describe(
    "File with more of them, one a line; `#` begins a comment. Relative to the working directory.",
  ),
  nfo: filePath().optional().describe(
    "Folder of a media library: what its clients ask for each title of it is fetched, the ids from `.nfo` files and names of " +
      "folders; docs/purge.md. Relative to the working directory.",
  ),
  client: oneOrMany(choice(CLIENT_NAMES), CLIENT_NAMES.length).optional().describe(
    "Whose requests for the titles of `nfo`; the plain documents alone where it is left out.",
  ),
  language: text({
    title: "language",
    pattern: /^[a-z]{2,3}(?:-[A-Za-z0-9]{2,4})?$/,
    maxLength: 8,
    expected: "a code such as de or de-DE",
  }).optional().describe("In which they ask; default: each client's own."),
  images: name("listener").optional().describe(
    "Listener of type `tmdb-image` whose pictures are fetched too: posters and backdrops of `nfo`, in the sizes of `client`.",
  ),
  rescan: duration(SECOND, YEAR).prefault("1h").describe(
    "The library is read again so often, and what is new in it is fetched.",
  ),
  concurrency: integer(1, 64).prefault(2).describe("Fetches at a time, all workers together."),
  rate: integer(1, 10_000).prefault(10).describe("Fetches begun in a second, at most."),
  at_start: flag().prefault(true).describe("Begin when the gateway starts; what a stop broke off goes on in any case."),
  every: duration(10 * SECOND, YEAR).optional().describe("Begin anew so often; default: never."),
});

/** Key of a listener that says what is fetched before anyone asks for it. */
export const prewarmKey = asMapping(prewarmSection).prefault({}).describe(
  "What is fetched into the cache before anyone asks for it, behind real requests.",
);

type PrewarmValues = z.output<typeof prewarmSection>;

/** Checks what of a listener's `prewarm` is about its library; `pictureListeners` are the names of those of type `tmdb-image`. */
export function checkPrewarm(
  { nfo, client, language, images }: PrewarmValues,
  { problems, path, type }: ListenerContext,
  pictureListeners: readonly string[],
): void {
  const at = [...path, "prewarm"];
  if (nfo !== undefined && type !== undefined && type !== "tmdb-api") {
    problems.warn([...at, "nfo"], "it has no effect: only type tmdb-api has documents of titles");
  }
  for (const [key, value] of Object.entries({ client, language, images })) {
    if (value !== undefined && nfo === undefined) problems.warn([...at, key], "it has no effect without `nfo`");
  }
  if (images === undefined || problems.has([...at, "images"])) return;
  if (!pictureListeners.includes(images)) {
    const known = pictureListeners.slice(0, 10).join(", ");
    problems.expect([...at, "images"], `a listener of type tmdb-image${known === "" ? "" : `: ${known}`}`);
  } else if (client === undefined) {
    problems.warn([...at, "images"], "it has no effect without `client`, whose sizes are fetched");
  }
}

/** Warns of libraries that cannot be read now: they may be mounted later. */
export async function checkLibraries(
  listeners: readonly { readonly prewarm: PrewarmConfig }[],
  problems: Problems,
  folderProblem: ((path: string) => Promise<string | null>) | undefined,
): Promise<void> {
  for (const [index, { prewarm: { nfo } }] of listeners.entries()) {
    const problem = nfo === null ? null : await folderProblem?.(nfo) ?? null;
    if (problem !== null) {
      problems.warn(["listeners", index, "prewarm", "nfo"], `cannot read ${nfo}: ${problem}; it is tried again`);
    }
  }
}

/** What is fetched before anyone asks for it; relative paths start from `cwd`. */
export function prewarmOf(prewarm: PrewarmValues, cwd: string) {
  return {
    /** URLs and paths as clients send them. */
    targets: distinct(prewarm.paths),
    file: prewarm.file === undefined ? null : resolve(cwd, prewarm.file),
    /** Folder of a media library; `null` for none. */
    nfo: prewarm.nfo === undefined ? null : resolve(cwd, prewarm.nfo),
    clients: distinct(prewarm.client ?? []),
    /** `null` is each client's own. */
    language: prewarm.language ?? null,
    /** The listener of pictures; `null` for none. */
    images: prewarm.images ?? null,
    rescanMs: prewarm.rescan,
    concurrency: prewarm.concurrency,
    ratePerSecond: prewarm.rate,
    atStart: prewarm.at_start,
    /** `null` is never again. */
    everyMs: prewarm.every ?? null,
  };
}

/** `prewarm:` of a listener. */
export interface PrewarmConfig extends Frozen<ReturnType<typeof prewarmOf>> {}
